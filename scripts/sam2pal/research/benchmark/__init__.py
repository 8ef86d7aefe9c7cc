"""Is training worth it, and which? Variants on collections of real specimens, many draws of templates.

protocol = read_protocol(path)
runner = Runner(protocol, model, collections, device, scratch)
store.add(*runner(run)) for every run of protocol.runs() that is not in the store
report(protocol, *store.read())
"""
