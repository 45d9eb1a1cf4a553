import numpy as np, time, numba
from trainers.methods.eventprop.records import *
from trainers.methods.eventprop.forward import fire
f=np.float32
def blocks(w, d, dt, between):
    # w,d (target, source)
    nt,ns=w.shape; nb=-(-nt//LANES)
    def pack(a,dtype):
        out=np.zeros((nb*LANES,ns),dtype); out[:nt]=a
        return np.ascontiguousarray(out.reshape(nb,LANES,ns).transpose(0,2,1)).reshape(nb,-1)
    steps=d/dt
    whole=np.floor(steps) if between else np.rint(steps)
    lane=np.tile(np.arange(LANES,dtype=np.uint32),ns)
    rest=(steps-whole).astype(f)
    hop=pack(whole,np.uint32)*LANES+lane
    e=np.empty((nb,0),f)
    if between:
        r=pack(rest,f); return Blocks(pack(w,f),hop,r,np.exp(r*dt/20).astype(f),np.exp(r*dt/5).astype(f),int(whole.max()))
    return Blocks(pack(w,f),hop,e,e,e,int(whole.max()))
none=Blocks(np.empty((0,0),f),np.empty((0,0),np.uint32),np.empty((0,0),f),np.empty((0,0),f),np.empty((0,0),f),0)
if __name__=="__main__":
    rng=np.random.default_rng(0)
    C,T,B,H=700,1000,32,256
    cnt=rng.poisson(8016/C,(B,C)); begin=np.zeros((B,C+1),np.uint32); begin[:,1:]=np.cumsum(cnt,axis=1)
    cap=int(begin.max())
    step=np.zeros((B,cap),np.uint32)
    for b in range(B):
        step[b,:begin[b,-1]]=np.concatenate([np.sort(rng.integers(0,T,c)) for c in cnt[b]])
    src=Spikes(begin,step,np.zeros_like(step,dtype=f),np.empty((0,0),f))
    g=grid(T,1.0,20.,5.)
    for K in (64,512):
        w=rng.normal(.03,.03,(H,C))*.75; d=rng.uniform(0,K-1,(H,C))
        feed=blocks(w,d,1.0,False)
        room=20000
        out=Spikes(np.zeros((B,H+1),np.uint32),np.zeros((B,room),np.uint32),np.zeros((B,room),f),np.zeros((B,room),f))
        n=np.zeros(B,np.int64)
        for rep in range(3):
            t=time.perf_counter(); fire(src,feed,False,none,False,g,T,out,n); t=time.perf_counter()-t
            print(K, "ms/sample",t/B*1e3,"spikes/neuron",n.mean()/H, "ns/event", t/(cnt.sum()*H)*1e9)
