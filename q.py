import numpy as np, fastridge, warnings
rng=np.random.default_rng(0)
# quick: many-class tests and empty/rare one-hot
X=np.eye(4)[rng.integers(0,4,200)]; y=rng.poisson(1.,200)*1.; y[X[:,0]==1]=0
for l in ("poisson","negative_binomial"):
    with warnings.catch_warnings(record=True) as t:
        warnings.simplefilter("always"); r=fastridge.glm(X,y,l,0.0); print(l,r.converged,r.coef,[str(x.message)[:60] for x in t])
    r=fastridge.glm(X,y,l,1e-3); print(r.converged,r.coef)
e=np.exp(rng.uniform(-20,0,200)); r=fastridge.glm(X,y,"poisson",.01,exposure=e*1e-9); print(r.converged,r.coef,r.intercept)
