package snmp

import (
	"context"
	"strings"
	"testing"

	"linnet/board/boardtest"
	"linnet/netsvc/module"
	"linnet/netsvc/module/moduletest"
	"linnet/netsvc/snmp/mibs"
)

// recorded is a service with a recorded machine.
type recorded struct {
	files *boardtest.Machine
	seen  *mibs.Machine
	host  module.Host
}

// Setup implements module.Module.
func (r *recorded) Setup(h module.Host) error {
	r.host, r.seen = h, mibs.With(h, r.files.Board)
	return nil
}

// linkDown is the fall into the state down, linkUp the rise out of it, unless the other state is notPresent (RFC 2863).
func TestLinks(t *testing.T) {
	r := &recorded{files: boardtest.New("router")}
	moduletest.Start(t, module.Info{Name: "snmp", Summary: "Links.", New: func() module.Module { return r }}, moduletest.Options{})
	a := testDesk(t).agent
	ended, end := context.WithCancel(t.Context())
	end() // nothing is sent: what is told stays where the test sees it
	nms := &target{agent: a, running: ended}
	a.access.Store(&access{targets: []*target{nms}})
	l := &links{agent: a, machine: r.seen}
	look := func() (list []string) {
		r.seen.Forget()
		l.look()
		a.telling.Wait()
		for _, n := range nms.waiting {
			values := []string{n.Name}
			for _, b := range n.Binds[1:] {
				values = append(values, b.Value.String())
			}
			list = append(list, strings.Join(values, " "))
		}
		nms.waiting = nil
		return list
	}
	look()
	kept := make(chan struct{})
	r.host.Store().Barrier(func() { close(kept) })
	<-kept
	if told := look(); len(told) > 0 {
		t.Errorf("at first: %q", told)
	}
	const counters = "proc/net/dev"
	readable := r.files.Text(counters)
	for _, step := range []struct {
		state string // of eth1, whose ifIndex is 3; "" cannot be read
		want  string
	}{
		{"down", "linkDown 3 1 2"}, {"down", ""}, {"up", "linkUp 3 1 1"}, {"dormant", ""}, {"lowerlayerdown", "linkDown 3 1 7"}, {"down", ""},
		{"notpresent", ""}, {"up", ""}, {"notpresent", ""}, {"down", ""}, {"", ""}, {"up", "linkUp 3 1 1"},
	} {
		if step.state == "" {
			r.files.Remove(counters)
		} else {
			r.files.Set(counters, readable)
			r.files.Set("sys/class/net/eth1/operstate", step.state+"\n")
		}
		if told := strings.Join(look(), ", "); told != step.want {
			t.Errorf("%q: told %q, want %q", step.state, told, step.want)
		}
	}
	// Switched off by the administrator.
	r.files.Set("sys/class/net/eth1/flags", "0x1002\n")
	if told := strings.Join(look(), ", "); told != "linkDown 3 2 2" {
		t.Errorf("switched off: %q", told)
	}
}
