// Draws paths step by step: on a click, and once as they come into view, unless less motion is preferred.
const SECONDS = 5, still = matchMedia("(prefers-reduced-motion: reduce)"), whole = new Map()
const paths = group => [...group.querySelectorAll("polyline")].map(line => {
  if (!whole.has(line)) whole.set(line, line.getAttribute("points").split(" "))
  return [line, whole.get(line), line.parentNode.querySelector(".end")]
})
function show(drawn, share) {
  for (const [line, points, end] of drawn) {
    const shown = points.slice(0, 1 + Math.round(share * (points.length - 1)))
    line.setAttribute("points", shown.join(" "))
    const [x, y] = shown.at(-1).split(",")
    end?.setAttribute("cx", x); end?.setAttribute("cy", y)
  }
}
function play(group) {
  cancelAnimationFrame(group.frame)
  const drawn = paths(group), start = performance.now()
  const next = now => {
    const share = Math.min(Math.max(now - start, 0) / 1000 / SECONDS, 1)
    show(drawn, share)
    if (share < 1) group.frame = requestAnimationFrame(next)
  }
  group.frame = requestAnimationFrame(next)
}
const seen = new IntersectionObserver(entries => entries.filter(e => e.isIntersecting).forEach(e => {
  seen.unobserve(e.target)
  if (!still.matches) play(e.target.closest(".rule"))
}), {threshold: 1})
for (const rule of document.querySelectorAll(".rule")) {
  const button = document.createElement("button")
  button.textContent = "Play"
  button.ariaLabel = "Play the paths of " + rule.querySelector("h3 a").textContent
  button.onclick = () => play(rule)
  rule.querySelector("header").insertBefore(button, rule.querySelector("header p"))
  seen.observe(rule.querySelector("figure svg"))
}
addEventListener("beforeprint", () => document.querySelectorAll(".rule").forEach(rule => {
  cancelAnimationFrame(rule.frame)
  show(paths(rule), 1)
}))
