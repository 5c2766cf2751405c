from chainrule.tasks import lstm_memory


def test_the_target_is_the_symbol_marked_last():
    for x, y in lstm_memory().splits(0):
        for row, target in zip(x[:50].tolist(), y[:50].tolist(), strict=True):
            remembered = None
            for (*symbol, mark), wanted in zip(row, target, strict=True):
                assert sum(symbol) == 1
                remembered = symbol.index(1) if mark == 1 else remembered
                assert wanted == remembered
