package snmp

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/usm"
	"linnet/netsvc/wire/ber"
)

// maxWaiting is how many notifications wait for one target; the oldest goes when there are more.
const maxWaiting = 64

// maxLearned is how often an inform is written anew because of what the manager said about itself: its engine is another
// one, then its clock.
const maxLearned = 2

// target is a manager that is told. A goroutine is there only while something waits to be told.
type target struct {
	agent     *Agent
	name      string // its section
	address   string
	inform    bool
	timeout   time.Duration
	retries   int
	community []byte // version 2c
	user      *usm.User
	flags     byte // of version 3
	secrets   func() (auth, priv string)
	running   context.Context

	mu      sync.Mutex
	waiting []*notification
	busy    bool
	silent  bool // the last one was not confirmed

	// Of the goroutine while busy.
	remote remote
	desk   *desk
}

// remote is what is known of a manager's engine, which is the authoritative one for informs.
type remote struct {
	id    []byte
	boots uint32
	time  uint32
	at    time.Time // when it said so
	user  *usm.User // with keys for it
}

// add hands a notification over. It does not block.
func (t *target) add(n *notification) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting = append(t.waiting, n); len(t.waiting) > maxWaiting {
		t.waiting = slices.Delete(t.waiting, 0, 1)
		t.agent.lost.Add(1)
	}
	if !t.busy {
		t.busy = true
		t.agent.telling.Go(t.work)
	}
}

// work tells what waits, in order, and ends.
func (t *target) work() {
	t.desk = newDesk(t.agent)
	for {
		t.mu.Lock()
		if len(t.waiting) == 0 || t.running.Err() != nil {
			t.busy, t.desk = false, nil
			t.mu.Unlock()
			return
		}
		n, silent := t.waiting[0], t.silent
		t.waiting = slices.Delete(t.waiting, 0, 1)
		t.mu.Unlock()
		err := t.tell(n)
		if err == nil {
			t.agent.sent.Add(1)
		} else if t.agent.lost.Add(1); !silent && t.running.Err() == nil {
			t.agent.log.Warn("notification not delivered", "name", n.Name, "addr", t.address, "cause", err)
		}
		t.mu.Lock()
		t.silent = err != nil
		t.mu.Unlock()
	}
}

// tell sends one notification; an inform until it is confirmed or its time is over.
func (t *target) tell(n *notification) error {
	dialer := net.Dialer{Timeout: t.timeout}
	c, err := dialer.DialContext(t.running, "udp", t.address)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(t.running, func() { c.Close() })()
	id := t.agent.nextID()
	if !t.inform {
		packet, err := t.message(n, tagTrap, id)
		if err == nil {
			_, err = c.Write(packet)
		}
		return err
	}
	in := make([]byte, maxMessage)
	err = errNoAnswer
	learned := 0
	for turn := 0; turn <= t.retries; turn++ {
		if t.user != nil && t.remote.user == nil {
			if err = t.discover(c, in); err != nil {
				if t.running.Err() != nil {
					return err
				}
				continue
			}
		}
		packet, err2 := t.message(n, tagInform, id)
		if err2 != nil {
			return err2
		}
		if _, err = c.Write(packet); err != nil {
			t.pause(err) // nobody listens there at the moment
			continue
		}
		if err = t.confirmed(c, in, id); err == nil || t.running.Err() != nil {
			return err
		}
		if err == errAgain && learned < maxLearned {
			learned++
			turn-- // the manager was there: this was no turn in which it kept silent
		}
	}
	return err
}

var (
	errNoAnswer = errors.New("no confirmation")
	errTooLarge = errors.New("the notification is too large")
	errAgain    = errors.New("the manager's engine or clock is another one now")
	errRefused  = errors.New("the manager does not take it: its user has other keys, or it does not know him")
)

// pause lets the rest of a turn go by when it ended at once with an error, such as that of a closed port.
func (t *target) pause(error) {
	timer := time.NewTimer(t.timeout)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.running.Done():
	}
}

// message writes the notification as this target is told.
func (t *target) message(n *notification, tag byte, id int32) ([]byte, error) {
	d := t.desk
	private := t.flags&flagPriv != 0
	w := writer{b: d.out[:], at: headroom, end: len(n.append(d.out[:headroom], private))}
	if w.end > len(d.out) {
		return nil, errTooLarge
	}
	w.pdu(tag, id, 0, 0)
	if t.user == nil {
		return w.community(version2c, t.community), nil
	}
	s := &d.sealed
	now := time.Now()
	if tag == tagTrap {
		e := t.agent.engine.Load()
		if e == nil {
			return nil, context.Canceled
		}
		*s = sealed{id: id, flags: t.flags, engine: e.id, boots: e.boots, time: e.time(now), user: t.user, contextEngine: e.id}
	} else {
		r := &t.remote
		*s = sealed{id: id, flags: t.flags | flagReportable, engine: r.id, boots: r.boots, time: r.time + uint32(now.Sub(r.at)/time.Second), user: r.user, contextEngine: r.id}
	}
	s.name = []byte(t.user.Name)
	if s.flags&flagPriv != 0 {
		s.salt = t.agent.nextSalt()
	}
	return w.seal(s), nil
}

// receive reads messages until accept takes one, or the time for an answer is over.
func (t *target) receive(c net.Conn, in []byte, accept func(m *message, packet, rest []byte) (taken bool, err error)) error {
	if err := c.SetReadDeadline(time.Now().Add(t.timeout)); err != nil {
		return err
	}
	last := errNoAnswer
	for {
		n, err := c.Read(in)
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() || t.running.Err() != nil {
				return last
			}
			t.pause(err)
			return err
		}
		var m message
		rest, err := m.header(in[:n])
		if err != nil {
			continue
		}
		if taken, err := accept(&m, in[:n], rest); taken {
			return err
		} else if err != nil {
			last = err
		}
	}
}

// discover finds out who the manager's engine is (RFC 3414 section 4).
func (t *target) discover(c net.Conn, in []byte) error {
	id := t.agent.nextID()
	w := writer{b: t.desk.out[:], at: headroom, end: headroom}
	w.pdu(tagGet, id, 0, 0)
	if _, err := c.Write(w.seal(&sealed{id: id, flags: flagReportable})); err != nil {
		t.pause(err)
		return err
	}
	return t.receive(c, in, func(m *message, _, _ []byte) (bool, error) {
		if m.version != version3 || m.id != id || len(m.engine) < 5 || m.body(m.scoped, false) != nil || m.pdu.tag != tagReport {
			return false, nil
		}
		r := remote{id: slices.Clone(m.engine), boots: m.boots, time: m.time, at: time.Now()}
		auth, priv := t.secrets()
		keys, err := usm.Localize(t.user.Auth, t.user.Priv, auth, priv, r.id)
		if err == nil {
			r.user, err = usm.NewUser(t.user.Name, t.user.Auth, t.user.Priv, keys)
		}
		if err == nil {
			t.remote = r
		}
		return true, err
	})
}

// confirmed waits for the answer to an inform.
func (t *target) confirmed(c net.Conn, in []byte, id int32) error {
	return t.receive(c, in, func(m *message, packet, rest []byte) (bool, error) {
		switch {
		case t.user == nil:
			return m.version == version2c && m.pdu.parse(rest) == nil && m.pdu.tag == tagResponse && m.pdu.id == id, nil
		case m.version != version3 || m.id != id:
			return false, nil
		}
		r := &t.remote
		authentic := m.flags&flagAuth == 0 && r.user.Auth == usm.NoAuth ||
			m.flags&flagAuth != 0 && string(m.engine) == string(r.id) && len(m.mac) == r.user.Auth.MACSize() && r.user.Verify(packet, m.macAt)
		if m.flags&flagPriv != 0 {
			encrypted, _, err := ber.Expect(m.scoped, ber.OctetString)
			if err != nil || !authentic || r.user.Priv == usm.NoPriv || len(m.salt) != usm.SaltSize {
				return false, nil
			}
			r.user.Decrypt(encrypted, m.boots, m.time, m.salt)
			m.scoped = encrypted
		}
		if m.body(m.scoped, m.flags&flagPriv != 0) != nil {
			return false, nil
		}
		if m.pdu.tag == tagResponse {
			return authentic && m.flags&levelMask == t.flags && m.pdu.id == id, nil
		}
		return t.reported(m, authentic)
	})
}

// reported judges a Report: what could be forged ends nothing, it only says what to tell the operator, or makes us
// ask again who is there.
func (t *target) reported(m *message, authentic bool) (taken bool, err error) {
	name, _, _, _, err := nextBind(m.pdu.binds)
	if m.pdu.tag != tagReport || err != nil {
		return false, nil
	}
	parts, err := ber.AppendParts(nil, name)
	oid := mib.OID(parts)
	if err != nil || len(oid) < 2 || !oid.HasPrefix(places[groupUSM].oid) {
		return false, errRefused
	}
	switch uint8(oid[len(oid)-2]) {
	case counters[notInWindow].id:
		if authentic && t.flags&flagAuth != 0 {
			t.remote.boots, t.remote.time, t.remote.at = m.boots, m.time, time.Now()
			return true, errAgain
		}
	case counters[unknownEngines].id:
		t.remote = remote{}
		return true, errAgain
	}
	return false, errRefused
}

// nextID returns a number for a message of ours.
func (a *Agent) nextID() int32 { return int32(a.ids.Add(1) & (1<<31 - 1)) }
