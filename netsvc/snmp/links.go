package snmp

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"linnet/board"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mibs"
	"linnet/netsvc/snmp/mibs/interfaces"
	"linnet/netsvc/snmp/notice"
)

// Columns of ifTable that linkUp and linkDown carry (RFC 2863).
var (
	oidIfIndex       = mib.OID{1, 3, 6, 1, 2, 1, 2, 2, 1, 1}
	oidIfAdminStatus = mib.OID{1, 3, 6, 1, 2, 1, 2, 2, 1, 7}
	oidIfOperStatus  = mib.OID{1, 3, 6, 1, 2, 1, 2, 2, 1, 8}
)

// groupLinks is the kernel's multicast group that hears of interfaces (RTMGRP_LINK).
const groupLinks = 1

// watchLinks tells the targets of interfaces that go up or down, until ctx ends. The kernel says that something
// has changed; what it is now is read where everything else is read.
func (a *Agent) watchLinks(ctx context.Context, machine *mibs.Machine) error {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, syscall.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	socket := os.NewFile(uintptr(fd), "netlink")
	if err := syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK, Groups: groupLinks}); err != nil {
		socket.Close()
		return err
	}
	context.AfterFunc(ctx, func() { socket.Close() })
	a.telling.Go(func() {
		defer socket.Close()
		l := &links{agent: a, machine: machine}
		l.look()
		in := make([]byte, 2<<10)
		for {
			// What does not fit is lost, which does not matter: it would only say the same again.
			_, err := socket.Read(in)
			switch {
			case ctx.Err() != nil:
				return
			case errors.Is(err, os.ErrDeadlineExceeded):
				err = socket.SetReadDeadline(time.Time{})
			case err == nil:
				// A new interface has no number until that is kept: a second look sees it.
				err = socket.SetReadDeadline(time.Now().Add(time.Second))
			}
			if err != nil {
				time.Sleep(time.Second) // the kernel's buffer ran over, or it has no memory
			}
			machine.Forget()
			l.look()
		}
	})
	return nil
}

// links remembers who was up.
type links struct {
	agent   *Agent
	machine *mibs.Machine
	was     map[uint32]board.State
}

// down tells whether a state counts as down: RFC 2863 section 3.1.15, to which lowerLayerDown belongs as the fall
// of the interface below.
func down(s board.State) bool {
	return s == board.StateDown || s == board.StateLowerDown
}

// look compares all interfaces with what they were.
func (l *links) look() {
	list := l.machine.Interfaces(time.Now())
	if len(list) == 0 {
		return // it cannot be read; what has changed meanwhile is seen the next time
	}
	now := make(map[uint32]board.State, len(list))
	for i := range list {
		one := &list[i]
		now[one.Number] = one.State
		was, known := l.was[one.Number]
		if !known || was == one.State || one.State == board.StateNotPresent || was == board.StateNotPresent || down(was) == down(one.State) {
			continue
		}
		name, number := "linkUp", uint32(linkUp)
		if down(one.State) {
			name, number = "linkDown", linkDown
		}
		l.agent.log.Info(name, "name", one.Name)
		l.agent.standard(name, number, notice.Bind{OID: oidIfIndex.With(one.Number), Value: mib.Int(one.Number)},
			notice.Bind{OID: oidIfAdminStatus.With(one.Number), Value: mib.Truth(one.Up)},
			notice.Bind{OID: oidIfOperStatus.With(one.Number), Value: mib.Int(interfaces.Status(one.State))})
	}
	l.was = now
}
