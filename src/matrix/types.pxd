ctypedef fused real:
    float
    double

ctypedef fused index:
    int
    long long
