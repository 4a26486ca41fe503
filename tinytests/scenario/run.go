package scenario

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ErrSkip is wrapped by what Run returns when the server cannot do what the scenario needs.
var ErrSkip = errCannot

// Failure is a line of a scenario that did not come true. Its text shows the conversation up to there.
type Failure struct {
	Name         string
	Line         int
	Err          error
	Conversation string
}

func (f *Failure) Error() string {
	return fmt.Sprintf("%s:%d: %v\n%s", f.Name, f.Line, f.Err, f.Conversation)
}

func (f *Failure) Unwrap() error { return f.Err }

// run is one scenario on its way.
type run struct {
	script  *Script
	server  Server
	clients map[string]*client
	retired []*client
	made    []string // accounts
	bound   bindings
	printed string
	log     strings.Builder
}

// Run plays a script against a server. The accounts it made are removed again.
func Run(s *Script, server Server) error {
	r := &run{script: s, server: server, clients: map[string]*client{}, bound: bindings{}}
	defer r.cleanup()
	dir, err := os.MkdirTemp("", "scenario")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r.bound["dir"] = dir
	for _, st := range s.steps {
		if err := r.step(st); err != nil {
			return &Failure{Name: s.Name, Line: st.line, Err: err, Conversation: r.conversation(st)}
		}
		r.note(st)
	}
	return nil
}

func (r *run) cleanup() {
	for _, c := range r.clients {
		c.cut()
	}
	for _, c := range r.retired {
		c.cut()
	}
	for _, name := range r.made {
		r.server.RemoveAccount(name, passwordOf(name))
	}
}

func (r *run) step(st step) error {
	switch do := st.do; {
	case do.expect != nil:
		c := r.clients[do.who]
		if c == nil {
			return fmt.Errorf("nobody is called %s", do.who)
		}
		return r.expect(c, do.expect)
	case do.verb != "":
		return verbs[do.verb].run(r, do.args)
	default:
		return r.say(do.who, do.send)
	}
}

var (
	filler = regexp.MustCompile(`\{fill (\d+)\}`)
	named  = regexp.MustCompile(`\\[{}]|\{[a-zA-Z][a-zA-Z0-9]*\}`)
)

// fill replaces the variables of a text that goes out.
func (r *run) fill(s string) (string, error) {
	var err error
	s = strings.ReplaceAll(s, "localhost", r.server.Domain())
	s = filler.ReplaceAllStringFunc(s, func(m string) string {
		n, _ := strconv.Atoi(filler.FindStringSubmatch(m)[1])
		return strings.Repeat("x", n)
	})
	s = strings.ReplaceAll(s, "{space}", " ")
	s = named.ReplaceAllStringFunc(s, func(m string) string {
		if m[0] == '\\' {
			return m[1:]
		}
		v, ok := r.bound[m[1:len(m)-1]]
		if !ok {
			err = fmt.Errorf("%s is not bound", m)
		}
		return v
	})
	return s, err
}

func (r *run) say(who, text string) error {
	c := r.clients[who]
	if c == nil {
		return fmt.Errorf("nobody is called %s", who)
	}
	text, err := r.fill(text)
	if err != nil {
		return err
	}
	return c.send(text)
}

// localize puts the server's domain into a pattern.
func (r *run) localize(e *Element) *Element {
	if r.server.Domain() == "localhost" {
		return e
	}
	here := *e
	here.Text = strings.ReplaceAll(e.Text, "localhost", r.server.Domain())
	here.Attrs = append(here.Attrs[:0:0], e.Attrs...)
	for i := range here.Attrs {
		here.Attrs[i].Value = strings.ReplaceAll(here.Attrs[i].Value, "localhost", r.server.Domain())
	}
	here.Kids = nil
	for _, k := range e.Kids {
		here.Kids = append(here.Kids, r.localize(k))
	}
	return &here
}

// differs is a stanza that did not match.
type differs struct {
	want *Element
	got  *Element // nil when there was none
	why  string
}

func (d *differs) Error() string {
	got := "nothing"
	if d.got != nil {
		got = d.got.String()
	}
	return fmt.Sprintf("%s\n\texpected: %s\n\tgot:      %s", d.why, d.want, got)
}

func (r *run) expect(c *client, e *expectation) error {
	switch {
	case e.nothing:
		return r.expectNothing(c, e)
	case e.closed:
		return r.expectClosed(c)
	case e.anyOrder:
		return r.expectAnyOrder(c, e)
	}
	for i, want := range e.want {
		want = r.localize(want)
		for {
			got, err := c.take1(want, r.server.Patience())
			if err != nil {
				return &differs{want: want, why: err.Error()}
			}
			bound, why := match(want, got, r.bound)
			if why == "" {
				r.bound = bound
				break
			}
			if !e.skip || i > 0 {
				c.putBack([]*Element{got})
				return &differs{want: want, got: got, why: why}
			}
		}
	}
	return nil
}

// take1 is next without the acknowledgements that the pattern does not ask for.
func (c *client) take1(want *Element, limit time.Duration) (*Element, error) {
	for {
		got, err := c.next(limit)
		if err != nil || got.Name.Space != nsSM || got.Name.Local != "r" && got.Name.Local != "a" || want != nil && want.Name == got.Name {
			return got, err
		}
	}
}

func (r *run) expectNothing(c *client, e *expectation) error {
	quiet := e.quiet
	if quiet == 0 {
		quiet = r.server.Quiet()
	}
	if err := r.server.Wait(quiet); err != nil {
		return err
	}
	for _, got := range c.waiting() {
		if e.unlike != nil {
			if _, why := match(r.localize(e.unlike), got, r.bound); why == "" {
				return fmt.Errorf("this should not have come: %s", got)
			}
			continue
		}
		if got.Name.Space == nsSM && (got.Name.Local == "r" || got.Name.Local == "a") {
			continue
		}
		return fmt.Errorf("nothing was expected\n\tgot:      %s", got)
	}
	return nil
}

func (r *run) expectClosed(c *client) error {
	for {
		got, err := c.next(r.server.Patience())
		switch {
		case errors.Is(err, errEnded):
			return nil
		case err != nil:
			return fmt.Errorf("the connection is still open")
		case got.is(nsStream, footer), got.is(nsStream, "error"), got.is(nsStream, "stream"), got.Name.Space == nsSM:
		default:
			return fmt.Errorf("the end was expected\n\tgot:      %s", got)
		}
	}
}

// expectAnyOrder takes as many elements as there are patterns and finds a pairing; names that were not bound before
// are bound by the first that fits.
func (r *run) expectAnyOrder(c *client, e *expectation) error {
	var taken []*Element
	open := append([]*Element(nil), e.want...)
	for len(open) > 0 {
		got, err := c.take1(open[0], r.server.Patience())
		if err != nil {
			c.putBack(taken)
			return &differs{want: r.localize(open[0]), why: err.Error()}
		}
		found := -1
		closest := ""
		for i, want := range open {
			bound, why := match(r.localize(want), got, r.bound)
			if why == "" {
				r.bound, found = bound, i
				break
			}
			if closest == "" || want.Name == got.Name {
				closest = why
			}
		}
		if found < 0 {
			if e.skip && len(taken) == 0 {
				continue
			}
			c.putBack([]*Element{got})
			return &differs{want: open[0], got: got, why: closest}
		}
		taken = append(taken, got)
		open = append(open[:found], open[found+1:]...)
	}
	return nil
}

// note adds a line that came true to the conversation.
func (r *run) note(st step) {
	fmt.Fprintf(&r.log, "\t%4d  %s\n", st.line, strings.ReplaceAll(clip(st.text), "\n", "\n\t      "))
}

// conversation shows how it went up to the line that failed, and what is left over.
func (r *run) conversation(st step) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\tthe conversation:\n%s\t%4d! %s\n", r.log.String(), st.line, strings.ReplaceAll(clip(st.text), "\n", "\n\t      "))
	for name, c := range r.clients {
		for _, e := range c.waiting() {
			fmt.Fprintf(&b, "\tnot yet taken by %s: %s\n", name, clip(e.String()))
		}
		c.mu.Lock()
		if c.ended != nil {
			fmt.Fprintf(&b, "\t%s's connection has ended: %v\n", name, c.ended)
		}
		c.mu.Unlock()
	}
	for name, value := range r.bound {
		if name == "dir" {
			continue
		}
		fmt.Fprintf(&b, "\t{%s} is %q\n", name, value)
	}
	return b.String()
}

// clip keeps a line readable when a test sends a megabyte.
func clip(s string) string {
	const most = 1500
	if len(s) <= most {
		return s
	}
	return fmt.Sprintf("%s… (%d bytes)", s[:most], len(s))
}
