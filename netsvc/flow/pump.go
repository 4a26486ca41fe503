package flow

// Pump writes the outboxes of many connections and owns the memory their
// bytes pass through. One Pump serves an appliance. A nil Pump works, with no
// pooling.
type Pump struct {
	buffers *Pool
}

// NewPump returns a pump whose buffers come from pool.
func NewPump(pool *Pool) *Pump { return &Pump{buffers: pool} }

func (p *Pump) pool() *Pool {
	if p == nil {
		return nil
	}
	return p.buffers
}
