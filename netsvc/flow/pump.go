package flow

import (
	"errors"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// Options says how a Pump works. The zero value is fit for use.
type Options struct {
	Pool   *Pool         // nil: one that keeps DefaultKeep bytes
	Shards int           // 0: GOMAXPROCS
	Stall  time.Duration // 0: DefaultStall
	// Panicked is told what a Done panicked with; its connection is
	// closed. (A Turn's panic is its Handler's to know, see PanicError.)
	Panicked func(value any, stack []byte)
}

// Pump reads and writes the connections of an appliance and owns the memory
// their bytes pass through. A nil Pump works, with goroutines that block and
// nothing pooled.
type Pump struct {
	opts   Options
	keep   int64 // what the pool keeps when nothing is squeezed
	free   queues
	next   atomic.Uint32 // deals connections to shards
	shards []shard
	// squeeze is how often outbox limits are halved.
	squeeze atomic.Uint32
}

// PumpStats is a reading of a Pump's counters.
type PumpStats struct {
	Conns     int    // connections now
	Turns     uint64 // of connections that are served
	Flushes   uint64 // of outboxes
	Takeovers uint64 // leaders replaced because a Turn blocked
	Ready     int    // connections that wait for their Turn now
	Dirty     int    // connections that wait to be flushed now
	Received  uint64 // bytes as they were on the wire, but of transports that have no descriptor
	Sent      uint64
	Pool      PoolStats
}

// NewPump returns a pump. It starts nothing before the first connection.
func NewPump(opts Options) *Pump {
	if opts.Pool == nil {
		opts.Pool = NewPool(DefaultKeep)
	}
	if opts.Shards <= 0 {
		opts.Shards = runtime.GOMAXPROCS(0)
	}
	if opts.Stall <= 0 {
		opts.Stall = DefaultStall
	}
	p := &Pump{opts: opts, keep: opts.Pool.Stats().Keep, shards: make([]shard, opts.Shards)}
	for i := range p.shards {
		p.shards[i].init(p)
	}
	return p
}

// Squeeze halves the limits of all outboxes and what the pool keeps n times, 0
// lifts it: what the memory guard does when the board runs short. What waits
// already stays.
func (p *Pump) Squeeze(n int) {
	p.squeeze.Store(uint32(n))
	p.opts.Pool.SetKeep(p.keep >> n)
}

// Pool returns the pump's buffer pool.
func (p *Pump) Pool() *Pool { return p.opts.Pool }

// Stats reads the counters.
func (p *Pump) Stats() PumpStats {
	s := PumpStats{Pool: p.pool().Stats()}
	for i := range p.shards {
		p.shards[i].addStats(&s)
	}
	return s
}

// Close closes all connections and ends the pump's goroutines. Turns and Dones
// that are due are still called, before it returns or soon after.
func (p *Pump) Close() error {
	var err error
	for i := range p.shards {
		err = errors.Join(err, p.shards[i].close())
	}
	return err
}

// shard deals the shards in turn.
func (p *Pump) shard() *shard {
	return &p.shards[p.next.Add(1)%uint32(len(p.shards))]
}

func (p *Pump) pool() *Pool {
	if p == nil {
		return nil
	}
	return p.opts.Pool
}

func (p *Pump) queues() *queues {
	if p == nil {
		return nil
	}
	return &p.free
}

func (p *Pump) stall() time.Duration {
	if p == nil {
		return DefaultStall
	}
	return p.opts.Stall
}

func (p *Pump) squeezed(limit int) int {
	if p == nil {
		return limit
	}
	return limit >> p.squeeze.Load()
}

func (p *Pump) panicked(v any) {
	if p != nil && p.opts.Panicked != nil {
		p.opts.Panicked(v, debug.Stack())
	}
}
