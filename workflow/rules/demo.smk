# The demo draws its own specimens, so that the default configuration needs nothing from outside.


def demo_of(what):
    return []
