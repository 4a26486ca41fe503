package server

import (
	"sync"
	"time"
)

// rounds looks at things again and again, as long as there are any to look at:
// one timer for all of them, and none while there are none.
type rounds[T any] struct {
	every time.Duration
	look  func(T) (again bool)

	busy  sync.Mutex // held for a round
	mu    sync.Mutex
	list  []T
	timer *time.Timer // nil while the list is empty
	over  bool        // no more rounds
}

// watch adds one thing, which must not be on the list.
func (r *rounds[T]) watch(t T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, t)
	if r.timer == nil {
		r.timer = time.AfterFunc(r.every, r.round)
	}
}

// stop returns when no round is under way, and none will be.
func (r *rounds[T]) stop() {
	r.busy.Lock()
	defer r.busy.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	if r.timer != nil {
		r.timer.Stop()
	}
}

func (r *rounds[T]) round() {
	r.busy.Lock()
	defer r.busy.Unlock()
	r.mu.Lock()
	list := r.list
	if r.over {
		list = nil
	}
	r.list = nil
	r.mu.Unlock()
	keep := list[:0]
	for _, t := range list {
		if r.look(t) {
			keep = append(keep, t)
		}
	}
	clear(list[len(keep):])
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(keep, r.list...)
	if len(r.list) == 0 {
		r.list, r.timer = nil, nil
		return
	}
	r.timer.Reset(r.every)
}
