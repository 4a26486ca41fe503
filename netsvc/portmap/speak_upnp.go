package portmap

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"linnet/netsvc/metric"
	"linnet/netsvc/outside"
	"linnet/netsvc/wire/igd"
)

// description is what a mapping is called in the router's own pages.
const description = "linnet"

// speakUPnP is UPnP IGD. The router is searched for once, by open.
type speakUPnP struct {
	network  network
	search   []netip.AddrPort // where searches are sent to
	ignored  *metric.Counter
	limits   limits
	control  igd.URL
	kind     string // of the service
	external netip.Addr
	mine     map[outside.Target]uint16 // external ports given
	reset    bool
}

func (s *speakUPnP) name() string { return "upnp" }

// open searches for the router and for its line that is up, or else that might be.
func (s *speakUPnP) open(ctx context.Context) error {
	places, err := s.find(ctx)
	if err != nil {
		return err
	}
	err = errForeign
	for _, place := range places {
		d, base, ferr := s.describe(ctx, place)
		if ferr != nil {
			err = ferr
			continue
		}
		for _, service := range d.Services[:min(len(d.Services), 4)] {
			control, uerr := base.Resolve(service.Control)
			if uerr != nil || control.At.Addr() != s.network.gateway {
				s.ignored.Inc()
				continue
			}
			s.control, s.kind = control, service.Kind
			status, cerr := s.call(ctx, "GetStatusInfo")
			if cerr != nil {
				err = cerr
				continue
			}
			if up := status.Get("NewConnectionStatus"); up != "" && !strings.EqualFold(up, "Connected") {
				err = errors.New("the router says that its line is not connected")
				continue
			}
			if err = s.ask(ctx); err == nil {
				return nil
			}
		}
	}
	return err
}

// describe fetches a description. URLs in it count from base.
func (s *speakUPnP) describe(ctx context.Context, at igd.URL) (d igd.Description, base igd.URL, err error) {
	reply, err := fetch(ctx, s.limits.fetch, at.At, igd.AppendGet(nil, at))
	if err != nil {
		return d, base, err
	}
	if reply.Status != 200 {
		return d, base, errForeign
	}
	if d, err = igd.ParseDescription(reply.Body); err != nil {
		return d, base, err
	}
	base = at
	if d.Base != "" {
		if base, err = igd.ParseURL(d.Base); err != nil {
			return d, at, err
		}
	}
	return d, base, nil
}

// ask reads the external address.
func (s *speakUPnP) ask(ctx context.Context) error {
	a, err := s.call(ctx, "GetExternalIPAddress")
	if err != nil {
		return err
	}
	s.external, _ = netip.ParseAddr(a.Get("NewExternalIPAddress")) // empty while the line is down
	return nil
}

// check reads the address, and whether a mapping is still there: UPnP has no epoch.
func (s *speakUPnP) check(ctx context.Context) error {
	if err := s.ask(ctx); err != nil {
		return err
	}
	for t, external := range s.mine {
		owner, err := s.owner(ctx, t, external)
		if err == nil && owner != s.network.local {
			s.reset = true
		}
		return err
	}
	return nil
}

// owner tells which host an external port is mapped to; zero if to none.
func (s *speakUPnP) owner(ctx context.Context, t outside.Target, external uint16) (netip.Addr, error) {
	a, err := s.call(ctx, "GetSpecificPortMappingEntry", entry(t, external)...)
	if fault := (*igd.Fault)(nil); errors.As(err, &fault) {
		return netip.Addr{}, nil // 714 where there is none; some say 402 or 713
	}
	if err != nil {
		return netip.Addr{}, err
	}
	owner, _ := netip.ParseAddr(a.Get("NewInternalClient"))
	return owner, nil
}

func (s *speakUPnP) add(ctx context.Context, t outside.Target, external uint16, lifetime time.Duration) (grant, error) {
	g, err := s.addAny(ctx, t, external, lifetime)
	if err != nil {
		return grant{}, err
	}
	if s.mine == nil {
		s.mine = make(map[outside.Target]uint16)
	}
	s.mine[t] = g.external
	return g, nil
}

// addAny finds a free external port; one service of IGD 2 does that by itself.
func (s *speakUPnP) addAny(ctx context.Context, t outside.Target, external uint16, lifetime time.Duration) (grant, error) {
	if s.kind == igd.IP2 {
		a, err := s.call(ctx, "AddAnyPortMapping", s.entry(t, external, lifetime)...)
		if err == nil {
			port, err := strconv.ParseUint(a.Get("NewReservedPort"), 10, 16)
			if err != nil || port == 0 {
				return grant{}, igd.ErrXML
			}
			return grant{uint16(port), lifetime}, nil
		}
		if !faulty(err, igd.InvalidAction, igd.OnlyPermanent) {
			return grant{}, err
		}
	}
	var err error
	for range 8 {
		// Some routers give a port away that another host has: look first.
		owner, oerr := s.owner(ctx, t, external)
		if oerr != nil {
			return grant{}, oerr
		}
		if owner.IsValid() && owner != s.network.local {
			err, external = &igd.Fault{Code: igd.Conflict, Text: "the port is taken"}, anyPort()
			continue
		}
		if _, err = s.call(ctx, "AddPortMapping", s.entry(t, external, lifetime)...); err == nil {
			return grant{external, lifetime}, nil
		}
		switch {
		case faulty(err, igd.OnlyPermanent) && lifetime > 0:
			lifetime = 0
		case faulty(err, igd.SamePorts) && external != t.Port:
			external = t.Port
		case faulty(err, igd.Conflict):
			external = anyPort()
		default:
			return grant{}, err
		}
	}
	return grant{}, err
}

func anyPort() uint16 { return uint16(20000 + rand.IntN(40000)) }

func faulty(err error, codes ...int) bool {
	fault := (*igd.Fault)(nil)
	if !errors.As(err, &fault) {
		return false
	}
	for _, code := range codes {
		if fault.Code == code {
			return true
		}
	}
	return false
}

func (s *speakUPnP) remove(ctx context.Context, t outside.Target, external uint16) error {
	delete(s.mine, t)
	_, err := s.call(ctx, "DeletePortMapping", entry(t, external)...)
	if faulty(err, igd.NoSuchEntry) {
		return nil
	}
	return err
}

// entry names a mapping: WANIPConnection 1.0, section 2.4.18.
func entry(t outside.Target, external uint16) []igd.Value {
	return []igd.Value{
		{Name: "NewRemoteHost"},
		{Name: "NewExternalPort", Text: strconv.Itoa(int(external))},
		{Name: "NewProtocol", Text: strings.ToUpper(t.Network)},
	}
}

// entry describes a mapping to this box: section 2.4.16.
func (s *speakUPnP) entry(t outside.Target, external uint16, lifetime time.Duration) []igd.Value {
	return append(entry(t, external),
		igd.Value{Name: "NewInternalPort", Text: strconv.Itoa(int(t.Port))},
		igd.Value{Name: "NewInternalClient", Text: s.network.local.String()},
		igd.Value{Name: "NewEnabled", Text: "1"},
		igd.Value{Name: "NewPortMappingDescription", Text: description},
		igd.Value{Name: "NewLeaseDuration", Text: strconv.FormatUint(uint64(seconds(lifetime)), 10)},
	)
}

func (s *speakUPnP) call(ctx context.Context, action string, values ...igd.Value) (igd.Answer, error) {
	envelope := igd.AppendCall(nil, s.kind, action, values...)
	reply, err := fetch(ctx, s.limits.fetch, s.control.At, igd.AppendPost(nil, s.control, s.kind, action, envelope))
	if err != nil {
		return igd.Answer{}, err
	}
	if reply.Status != 200 && reply.Status != 500 { // 500 is a fault's
		return igd.Answer{}, errors.New("the router says: HTTP " + strconv.Itoa(reply.Status))
	}
	return igd.ParseAnswer(reply.Body, action)
}

// lost implements protocol.
func (s *speakUPnP) lost() bool {
	was := s.reset
	s.reset = false
	return was
}

func (s *speakUPnP) address() netip.Addr { return s.external }
func (s *speakUPnP) close()              {}
