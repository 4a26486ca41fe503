package event

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"linnet/netsvc/log"
	"linnet/netsvc/module"
)

const (
	maxQueue = 64 // events that wait for subscribers; a subscriber that blocks makes the oldest go
	maxPast  = 32 // newest events that are remembered
)

// Event is one occurrence, as subscribers get it. It does not change.
type Event struct {
	Desc   *Desc
	Number uint64    // counts all events of the node from 1 on
	At     time.Time // when it happened
	Since  time.Time // when the state was raised; At for one that was raised now
	Raised bool      // false: the state is over. A moment is always raised
	Values []string  // in the order of Desc.Fields; decimal digits of a Number. Not to be changed
	Missed int       // times that this kind was not told since the one before, because it came too often
}

// Text is a line for a person: what happened and the values.
func (e *Event) Text() string {
	var b strings.Builder
	if !e.Raised {
		b.WriteString("Over: ")
	}
	b.WriteString(e.Desc.Help)
	b.WriteString(e.fields(Person))
	return b.String()
}

// fields renders the values of the kinds up to most, each with a blank before it.
func (e *Event) fields(most FieldKind) string {
	var b strings.Builder
	for i, f := range e.Desc.Fields {
		if v := e.Values[i]; v != "" && f.Kind <= most {
			b.WriteString(" " + f.Name + "=" + v)
		}
	}
	return b.String()
}

// Events are the events of one node: Live state. Safe for concurrent use.
type Events struct {
	mu       sync.Mutex // held for a few lines, never while a subscriber is told
	sources  []*Source  // by name
	watchers []*watcher
	queue    []Event
	telling  bool // a goroutine is emptying the queue
	number   uint64
	past     []Event // newest last
	timer    *time.Timer
	dropped  int // from a full queue
}

type watcher struct{ tell func(Event) }

// Of returns the node's events, the same for all who ask.
func Of(h module.Host) *Events {
	return module.Live(h, "event", func() *Events { return new(Events) })
}

// Watch makes f be told of every event from now on, by one goroutine at a time and in order, until stop is
// called; it may still be told one that was under way. f may take a moment, but others wait meanwhile.
func (s *Events) Watch(f func(Event)) (stop func()) {
	w := &watcher{f}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers = append(s.watchers[:len(s.watchers):len(s.watchers)], w) // who tells has the old list
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if i := slices.Index(s.watchers, w); i >= 0 {
			s.watchers = append(s.watchers[:i:i], s.watchers[i+1:]...)
		}
	}
}

// Descs lists what was declared, by name.
func (s *Events) Descs() []*Desc {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*Desc, len(s.sources))
	for i, k := range s.sources {
		list[i] = k.desc
	}
	return list
}

// Now lists the states that are raised, by name and then as they were raised.
func (s *Events) Now() (list []Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.sources {
		for _, st := range k.states {
			if st.raised {
				list = append(list, k.event(st))
			}
		}
	}
	return list
}

// Past lists the newest events that were told, oldest first.
func (s *Events) Past() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Event(nil), s.past...)
}

// Counts shows how often each kind was raised since the program started, and how many of its states are now.
func (s *Events) Counts(show func(name string, raised uint64, now int)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.sources {
		now := 0
		for _, st := range k.states {
			if st.raised {
				now++
			}
		}
		show(k.desc.Name, k.count, now)
	}
}

// queueUp gives e its number and sees to it that it is told. The caller holds mu.
func (s *Events) queueUp(e Event) {
	s.number++
	e.Number = s.number
	if s.past = append(s.past, e); len(s.past) > maxPast {
		s.past = s.past[1:]
	}
	if s.queue = append(s.queue, e); len(s.queue) > maxQueue {
		s.queue = s.queue[1:]
		s.dropped++
	}
	if !s.telling {
		s.telling = true
		go s.tellAll()
	}
}

// tellAll empties the queue: a goroutine that ends.
func (s *Events) tellAll() {
	s.mu.Lock()
	for len(s.queue) > 0 {
		e := s.queue[0]
		s.queue = s.queue[1:]
		list, logger, dropped := s.watchers, s.find(e.Desc.Name).log, s.dropped
		s.dropped = 0
		s.mu.Unlock()
		if dropped > 0 {
			logger.Error("events lost", "count", dropped)
		}
		e.write(logger)
		for _, w := range list {
			w.protected(e, logger)
		}
		s.mu.Lock()
	}
	s.telling = false
	s.mu.Unlock()
}

// protected tells one subscriber; a mistake in it does not end the program.
func (w *watcher) protected(e Event, logger *log.Logger) {
	defer func() {
		if p := recover(); p != nil {
			logger.Error("subscriber of events panicked", "cause", fmt.Sprint(p))
		}
	}()
	w.tell(e)
}

// write is the log as a subscriber.
func (e *Event) write(logger *log.Logger) {
	level, outcome := log.LevelInfo, "over"
	if e.Raised {
		level, outcome = [...]log.Level{Notice: log.LevelInfo, Warning: log.LevelWarn, Critical: log.LevelError}[e.Desc.Severity], "raised"
	}
	logger.Log(level, "event", "name", e.Desc.Name, "outcome", outcome, "args", strings.TrimPrefix(e.fields(Number), " "), "count", e.Missed+1)
}

// find returns the source of that name, nil if there is none. The caller holds mu.
func (s *Events) find(name string) *Source {
	for _, k := range s.sources {
		if k.desc.Name == name {
			return k
		}
	}
	return nil
}
