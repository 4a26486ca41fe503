package portmap

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"linnet/netsvc/wire/igd"
)

// Where searches are sent, and for how long answers are waited for.
const (
	searchPort = 1900
	searchWait = time.Second // an answer may take: MX
	maxPlaces  = 4           // descriptions that one router is asked for
)

// searchGroup is where UPnP devices listen.
var searchGroup = netip.AddrFrom4([4]byte{239, 255, 255, 250})

// limits are times: how long a router is searched for, how long after its first answer another may follow, and how
// long one exchange of HTTP may take, however slowly the bytes come.
type limits struct{ search, more, fetch time.Duration }

var usual = limits{search: 2 * time.Second, more: 250 * time.Millisecond, fetch: 5 * time.Second}

// find searches for the router's descriptions. The search is sent to all, since some routers listen to nothing else,
// and to the router alone, since some networks carry no multicast; answers count from the router only.
func (s *speakUPnP) find(ctx context.Context) ([]igd.URL, error) {
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(s.network.local, 0)))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	s.interfaceOf(c)
	stop := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var places []igd.URL
	b := make([]byte, 2<<10)
	end := time.Now().Add(s.limits.search)
	for try := range 2 {
		for _, at := range s.search {
			// One way may be closed where the other is open.
			_, _ = c.WriteToUDPAddrPort(igd.AppendSearch(nil, at, igd.Device, int(searchWait/time.Second)), at)
		}
		deadline := end
		if try == 0 {
			deadline = end.Add(-s.limits.search * 3 / 4)
		}
		if err := c.SetReadDeadline(deadline); err != nil {
			return nil, err
		}
		for ctx.Err() == nil && len(places) < maxPlaces {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return nil, err
			}
			place, ok := s.place(b[:n], from)
			if !ok {
				s.ignored.Inc()
			} else if !slices.Contains(places, place) {
				places = append(places, place)
				_ = c.SetReadDeadline(time.Now().Add(s.limits.more))
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(places) > 0 {
			return places, nil
		}
	}
	return nil, errSilent
}

// place reads the answer to a search.
func (s *speakUPnP) place(b []byte, from netip.AddrPort) (igd.URL, bool) {
	if from.Addr().Unmap() != s.network.gateway {
		return igd.URL{}, false
	}
	head, _, err := igd.ParseHead(b)
	if err != nil || head.Status != 200 || !strings.Contains(head.Get("ST"), ":InternetGatewayDevice:") {
		return igd.URL{}, false
	}
	u, err := igd.ParseURL(head.Get("Location"))
	return u, err == nil && u.At.Addr() == s.network.gateway
}

// interfaceOf makes multicasts leave where the router is. Without, the kernel's default route decides, which is the
// same unless there are several.
func (s *speakUPnP) interfaceOf(c *net.UDPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInet4Addr(int(fd), syscall.IPPROTO_IP, syscall.IP_MULTICAST_IF, s.network.local.As4())
	})
}

// fetch sends a request of HTTP and reads the reply.
func fetch(ctx context.Context, limit time.Duration, at netip.AddrPort, request []byte) (igd.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp4", at.String())
	if err != nil {
		return igd.Reply{}, unanswered(ctx, err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := c.Write(request); err != nil {
		return igd.Reply{}, unanswered(ctx, err)
	}
	var b []byte
	for ended := false; ; {
		if len(b) > igd.MaxHead+2*igd.MaxBody { // chunks have heads of their own
			return igd.Reply{}, igd.ErrTooLarge
		}
		b = slices.Grow(b, 4<<10)
		n, err := c.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err != nil {
			if ctx.Err() != nil {
				return igd.Reply{}, unanswered(ctx, err)
			}
			ended = true // a reset after the reply is an end as good as any
		}
		reply, err := igd.ParseReply(b, ended)
		if ended || !errors.Is(err, igd.ErrMore) {
			return reply, err
		}
	}
}

// unanswered turns what a socket says into the ways in which a router does not answer.
func unanswered(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case errors.Is(err, syscall.ECONNREFUSED):
		return errRefused
	}
	return errSilent
}
