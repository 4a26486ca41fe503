package event

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"linnet/netsvc/log"
	"linnet/netsvc/module"
)

// How often one kind is told.
const (
	burst  = 10
	refill = 6 * time.Second
)

// Source raises the events of one kind. It lives as long as the node: a reload gets the same one. Its
// methods may be called from anywhere, with any lock held, and do not block.
type Source struct {
	all  *Events // whose mutex owns the rest
	desc *Desc
	log  *log.Logger

	states []*state // those that are raised, and those whose end has not been told
	count  uint64   // times raised
	missed int      // not told since the last one that was
	room   int      // may be told at once
	since  time.Time
}

// state is one thing that a kind is about.
type state struct {
	values []string
	since  time.Time
	at     time.Time // of the last change
	raised bool
	told   bool // what subscribers know
}

// Declare declares an event, in Setup. One that was declared before goes on, with the new description.
func Declare(h module.Host, d Desc) *Source {
	s := Of(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.find(d.Name)
	if k == nil {
		k = &Source{all: s, room: burst}
		s.sources = append(s.sources, k)
		for i := len(s.sources) - 1; i > 0 && s.sources[i-1].desc.Name > d.Name; i-- { // slices.Insert is 1.4 KB
			s.sources[i-1], s.sources[i] = k, s.sources[i-1]
		}
	}
	if k.desc == nil || len(k.desc.Fields) == len(d.Fields) { // what is raised has values for as many
		k.desc = &d
	}
	k.log = h.Log()
	return k
}

// Raise begins a state, or tells of a moment. values are those of the fields, in their order: strings, int or
// int64; what is missing is empty. A state that is raised already only gets the new values.
func (k *Source) Raise(values ...any) {
	texts := k.texts(values)
	now := time.Now()
	k.all.mu.Lock()
	defer k.all.mu.Unlock()
	st := k.find(texts)
	if st != nil && st.raised {
		st.values = texts
		return
	}
	k.count++
	if st == nil {
		st = new(state)
		if !k.desc.Moment && len(k.states) < maxStates {
			k.states = append(k.states, st)
		}
	}
	st.values, st.since, st.at, st.raised = texts, now, now, true
	k.settle(st, now)
}

// Clear ends a state; only the first of the values is needed. Without such a state nothing happens.
func (k *Source) Clear(values ...any) {
	texts := k.texts(values)
	now := time.Now()
	k.all.mu.Lock()
	defer k.all.mu.Unlock()
	st := k.find(texts)
	if st == nil || !st.raised {
		return
	}
	if len(values) > 1 || k.subject(texts) == "" && len(values) > 0 {
		st.values = texts
	}
	st.raised, st.at = false, now
	k.settle(st, now)
}

// Judge holds a level against two limits: the state is raised when the level reaches raise and is over when it is
// back at clear. With raise over clear high levels are bad, with raise under clear low ones. values are those
// of Raise.
func (k *Source) Judge(level, raise, clear int64, values ...any) {
	if raise < clear {
		level, raise, clear = -level, -raise, -clear
	}
	switch {
	case level >= raise:
		k.Raise(values...)
	case level <= clear:
		k.Clear(values...)
	}
}

// Raised lists what the states that are raised are about.
func (k *Source) Raised() (list []string) {
	k.all.mu.Lock()
	defer k.all.mu.Unlock()
	for _, st := range k.states {
		if st.raised {
			list = append(list, k.subject(st.values))
		}
	}
	return list
}

// settle tells what subscribers do not know yet, unless that was too often: then a timer does it. The caller
// holds mu.
func (k *Source) settle(st *state, now time.Time) {
	if st.told == st.raised { // there and back while nobody was told
		k.missed++
	} else if k.may(now) {
		e := k.event(st)
		e.At, e.Missed = st.at, k.missed
		k.missed = 0
		k.all.queueUp(e)
		st.told = st.raised
	} else if k.missed++; !k.desc.Moment && k.all.timer == nil {
		k.all.timer = time.AfterFunc(refill, k.all.late)
	}
	if i := slices.Index(k.states, st); i >= 0 && !st.raised && !st.told {
		k.states = append(k.states[:i:i], k.states[i+1:]...) // a copy: late goes through the old one
	}
}

// may takes one event out of what may be told now. The caller holds mu.
func (k *Source) may(now time.Time) bool {
	if n := int(min(now.Sub(k.since)/refill, burst)); n > 0 {
		k.room, k.since = min(k.room+n, burst), now
	}
	if k.room == 0 {
		return false
	}
	k.room--
	return true
}

// late is the timer's function: it tells the states that were not told when they changed.
func (s *Events) late() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = nil
	now := time.Now()
	for _, k := range s.sources {
		for _, st := range k.states {
			if st.told != st.raised {
				k.missed-- // it is told now
				k.settle(st, now)
			}
		}
	}
}

// event makes the Event of a state as it is. The caller holds mu.
func (k *Source) event(st *state) Event {
	return Event{Desc: k.desc, At: st.since, Since: st.since, Raised: st.raised, Values: st.values}
}

// find returns the state that is about the same, nil if there is none. The caller holds mu.
func (k *Source) find(values []string) *state {
	for _, st := range k.states {
		if k.subject(st.values) == k.subject(values) {
			return st
		}
	}
	return nil
}

// subject is what a state is about. The caller holds mu.
func (k *Source) subject(values []string) string {
	if len(values) == 0 || k.desc.Fields[0].Kind == Number {
		return ""
	}
	return values[0]
}

// texts renders values for the fields: as many as there are.
func (k *Source) texts(values []any) []string {
	k.all.mu.Lock()
	list := make([]string, len(k.desc.Fields))
	k.all.mu.Unlock()
	for i := range min(len(list), len(values)) {
		switch v := values[i].(type) {
		case string:
			list[i] = strings.ToValidUTF8(v[:min(len(v), maxText)], "")
		case int:
			list[i] = strconv.Itoa(v)
		case int64:
			list[i] = strconv.FormatInt(v, 10)
		}
	}
	return list
}
