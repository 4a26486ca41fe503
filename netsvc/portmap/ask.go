package portmap

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"linnet/netsvc/metric"
)

// pace is how long to wait for an answer before a request is sent again. After the last wait the router is silent.
type pace []time.Duration

// patient is RFC 6886, section 3.1, cut after five tries: eight seconds.
var patient = pace{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}

// link is a UDP socket connected to one port of the router, so that the kernel drops what comes from elsewhere.
type link struct {
	conn    *net.UDPConn
	pace    pace
	ignored *metric.Counter
}

func openLink(at netip.AddrPort, p pace, ignored *metric.Counter) (*link, error) {
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	return &link{c, p, ignored}, nil
}

// local is the address that requests are sent from.
func (l *link) local() netip.Addr {
	return l.conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

// errUnasked is what an answer is counted and dropped for: it does not belong to the request, or is broken.
var errUnasked = errors.New("not an answer to the request")

// ask sends a request, again and again, until take has got an answer that it does not call errUnasked. take's other
// errors end it, too.
func (l *link) ask(ctx context.Context, request []byte, take func([]byte) error) error {
	stop := context.AfterFunc(ctx, func() { _ = l.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	answer := make([]byte, 1500)
	for _, wait := range l.pace {
		if _, err := l.conn.Write(request); err != nil {
			if errors.Is(err, syscall.ECONNREFUSED) { // told about the request before
				return errRefused
			}
			return err
		}
		deadline := time.Now().Add(wait)
		if err := l.conn.SetReadDeadline(deadline); err != nil {
			return err
		}
		for ctx.Err() == nil {
			n, err := l.conn.Read(answer)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if errors.Is(err, syscall.ECONNREFUSED) {
				return errRefused
			}
			if err != nil {
				return err
			}
			err = take(answer[:n])
			if !errors.Is(err, errUnasked) {
				return err
			}
			l.ignored.Inc()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return errSilent
}
