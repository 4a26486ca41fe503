package kills

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"linnet/store"
	"linnet/store/storetest"
)

// stage is a node with the people on it, over many lives of the program.
type stage struct {
	node   *node
	book   *book
	people []*person
}

// template makes the files that every stage begins with: the accounts, and who wants no archive.
func template(binary, dir string) error {
	n, err := newNode(binary, dir)
	if err != nil {
		return err
	}
	ok, err := n.start(0, storetest.Injection{})
	if err != nil || !ok {
		return fmt.Errorf("the program does not start: %v\n%s", err, n.log)
	}
	defer n.kill()
	s := &stage{node: n}
	s.enter(newBook())
	for _, p := range s.people {
		if err := n.ctl("", "user", "add", p.name+"@"+domain, "-password", password(p.name)); err != nil {
			return err
		}
	}
	for _, p := range s.people {
		if p.archived {
			continue
		}
		if _, err := p.login(); err != nil {
			return err
		}
		if _, err := p.request("<prefs xmlns='" + archiveSpace + "' default='never'/>"); err != nil {
			return err
		}
		p.leave()
	}
	return n.stop()
}

// newStage sets a stage up in dir on a copy of the template.
func newStage(binary, template, dir string) (*stage, error) {
	n, err := newNode(binary, dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(n.data(), 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(template, "data"))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(template, "data", e.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(n.data(), e.Name()), b, 0o600)
		}
		if err != nil {
			return nil, err
		}
	}
	s := &stage{node: n}
	s.enter(newBook())
	return s, nil
}

func (s *stage) enter(b *book) {
	s.book = b
	for _, r := range cast {
		s.people = append(s.people, &person{role: r, book: b, addr: s.node.addr})
	}
}

// errDown means that the program ended while people were talking to it.
var errDown = errors.New("the program has ended")

// each calls f for everybody at once. An error is none of theirs if the program has ended.
func (s *stage) each(f func(*person) error) error {
	errs := make([]error, len(s.people))
	var all sync.WaitGroup
	for i, p := range s.people {
		all.Go(func() { errs[i] = f(p) })
	}
	all.Wait()
	err := errors.Join(errs...)
	if err == nil {
		return nil
	}
	// Connections break a moment before the process is seen to be gone.
	select {
	case <-s.node.gone:
		return errDown
	case <-time.After(time.Second):
		return err
	}
}

// resumable says whether streams of the last life can be resumed.
type resumable int

const (
	mustNot resumable = iota // the program was killed
	must                     // it ended in order
	may                      // it was killed while it ended
)

// gather brings everybody onto the server and waits until all that was acknowledged has been seen.
func (s *stage) gather(can resumable) error {
	err := s.each(func(p *person) error {
		p.mu.Lock()
		had := p.stream != nil
		p.manner = manner(rand.IntN(int(manners)))
		p.mu.Unlock()
		r, err := p.login()
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if had && (r.ok && can == mustNot || !r.ok && can == must) {
			p.book.Fault("%s: the stream was resumed: %v", p.name, r.ok)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.settle()
}

// settle waits until all that was acknowledged has been seen; what is not seen in time is lost.
func (s *stage) settle() error {
	err := s.each(func(p *person) error {
		if p.archived && !p.speaks && s.book.missing()[p] > 0 {
			return p.peruse()
		}
		return nil
	})
	for limit := time.Now().Add(patience); err == nil && len(s.book.missing()) > 0; {
		select {
		case <-s.book.news:
		case <-s.node.gone:
			return errDown
		case <-time.After(time.Until(limit)):
			s.book.lost()
		}
	}
	return err
}

// load has everybody talk until stop is closed.
func (s *stage) load(stop <-chan struct{}) {
	var all sync.WaitGroup
	defer all.Wait()
	var listeners []*person
	for _, p := range s.people {
		if !p.speaks {
			listeners = append(listeners, p)
		}
	}
	for _, p := range s.people {
		if p.absent {
			all.Go(p.leave)
		}
		if p.speaks {
			all.Go(func() {
				for pause(stop, time.Duration(rand.IntN(4))*time.Millisecond) {
					if !p.speak(listeners) {
						pause(stop, time.Millisecond)
					}
				}
			})
		}
		if p.restless {
			all.Go(func() {
				for pause(stop, time.Duration(5+rand.IntN(60))*time.Millisecond) && !p.away() {
					p.stir(stop)
				}
			})
		}
	}
}

// pause waits, and reports whether there is reason to go on.
func pause(stop <-chan struct{}, d time.Duration) bool {
	select {
	case <-stop:
		return false
	case <-time.After(d):
		return true
	}
}

// stir is one thing that restless people do. What goes wrong is seen by who looks at the program's end.
func (p *person) stir(stop <-chan struct{}) {
	short := func() bool { return pause(stop, time.Duration(rand.IntN(30))*time.Millisecond) }
	n := rand.IntN(10)
	switch {
	case n < 5 && p.managed: // the network fails
		p.vanish()
		if rand.IntN(3) == 0 && !p.speaks {
			p.forget()
		}
	case n < 8 && !p.speaks:
		p.leave()
	case !p.speaks:
		p.show(false)
		short()
		p.show(true)
		return
	default:
		return
	}
	if !short() {
		return
	}
	p.mu.Lock()
	had := p.stream != nil
	p.mu.Unlock()
	if r, err := p.login(); err == nil && had && !r.ok {
		p.book.Fault("%s: a stream whose connection was lost could not be resumed", p.name)
	}
}

// end is how a life of the program ends.
type end func(*node) error

// act starts the program, has everybody come and talk for that long, and ends it in the middle of that.
func (s *stage) act(in storetest.Injection, commitEvery, talk time.Duration, can resumable, finish end) error {
	ok, err := s.node.start(commitEvery, in)
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	var talking sync.WaitGroup
	if ok {
		switch err := s.gather(can); {
		case err == nil:
			talking.Go(func() { s.load(stop) })
			select {
			case <-time.After(talk):
			case <-s.node.gone:
			}
		case !errors.Is(err, errDown):
			s.node.kill()
			return fmt.Errorf("%w\n%s", err, s.node.log)
		}
	}
	err = finish(s.node)
	close(stop)
	talking.Wait()
	for _, p := range s.people {
		p.wait()
	}
	return errors.Join(err, s.verdict())
}

// verdict is what is wrong with the files and with what was seen, after the end of the program.
func (s *stage) verdict() error {
	if err := store.Check(s.node.file(), nil); err != nil {
		return fmt.Errorf("linnet.db: %w", err)
	}
	if err := s.node.mistakes(); err != nil {
		return err
	}
	if err := s.book.faults(); err != nil {
		return fmt.Errorf("%w\nthe program says:\n%s", err, s.node.log)
	}
	return nil
}

// last is a life in order, in which everything must turn up that was acknowledged; after lives that all ended in
// order, everything that was sent.
func (s *stage) last(can resumable) error {
	ok, err := s.node.start(0, storetest.Injection{})
	if err != nil || !ok {
		return fmt.Errorf("the program does not start: %v\n%s", err, s.node.log)
	}
	defer s.node.kill()
	err = s.gather(can)
	if err == nil {
		err = s.each((*person).clear)
	}
	if err == nil {
		err = s.settle()
	}
	if err == nil {
		err = s.each(func(p *person) error {
			if p.archived && !p.speaks {
				return p.peruse()
			}
			return nil
		})
	}
	if err == nil && can == must {
		s.book.complete()
	}
	if err == nil {
		s.each(func(p *person) error { p.leave(); return nil })
		err = s.node.stop()
	}
	return errors.Join(err, s.verdict())
}
