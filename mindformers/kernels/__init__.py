"""C++ operators for CPU, built on first use, each beside the plain-operator twin that defines its result."""
