package portmap

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"net/netip"
	"time"

	"linnet/netsvc/outside"
	"linnet/netsvc/wire/pcp"
)

// speakPCP is PCP, RFC 6887.
type speakPCP struct {
	epoch
	link     *link
	secret   []byte
	gateway  netip.Addr
	external netip.Addr
}

func (s *speakPCP) name() string { return "pcp" }

func (s *speakPCP) open(ctx context.Context) error { return s.check(ctx) }

// check announces this client, to which the server answers with its clock, section 14.1.
func (s *speakPCP) check(ctx context.Context) error {
	r := pcp.Request{Opcode: pcp.Announce, Client: s.link.local()}
	response, err := s.exchange(ctx, &r)
	if err == nil && response.Result == pcp.UnsupportedVersion {
		return errForeign
	}
	return err // any other result is an answer, too: the server is there
}

func (s *speakPCP) add(ctx context.Context, t outside.Target, external uint16, lifetime time.Duration) (grant, error) {
	r := s.mapping(t)
	r.Lifetime = seconds(lifetime)
	r.Mapping.External = netip.AddrPortFrom(s.external, external)
	response, err := s.exchange(ctx, &r)
	if err != nil {
		return grant{}, err
	}
	if response.Result != pcp.Success {
		return grant{}, &laterError{response.Result, time.Duration(response.Lifetime) * time.Second}
	}
	s.external = response.Mapping.External.Addr()
	return grant{response.Mapping.External.Port(), time.Duration(response.Lifetime) * time.Second}, nil
}

func (s *speakPCP) remove(ctx context.Context, t outside.Target, _ uint16) error {
	r := s.mapping(t)
	response, err := s.exchange(ctx, &r)
	if err == nil && response.Result != pcp.Success {
		return response.Result
	}
	return err
}

func (s *speakPCP) mapping(t outside.Target) pcp.Request {
	m := pcp.Mapping{Nonce: s.nonce(t), Protocol: pcp.TCP, Internal: t.Port}
	if t.Network == "udp" {
		m.Protocol = pcp.UDP
	}
	return pcp.Request{Opcode: pcp.Map, Client: s.link.local(), Mapping: m}
}

// nonce makes the number that only this box can know, the same for a mapping at all times.
func (s *speakPCP) nonce(t outside.Target) pcp.Nonce {
	h := hmac.New(sha256.New, s.secret)
	h.Write([]byte(s.gateway.String() + " " + t.Network))
	h.Write([]byte{byte(t.Port >> 8), byte(t.Port)})
	return pcp.Nonce(h.Sum(nil))
}

func (s *speakPCP) exchange(ctx context.Context, r *pcp.Request) (response pcp.Response, err error) {
	err = s.link.ask(ctx, r.Append(nil), func(b []byte) (err error) {
		response, err = pcp.ParseResponse(b)
		switch {
		case errors.Is(err, pcp.ErrVersion):
			// A NAT-PMP router answers in its own version that it does not know this one, RFC 6887 section 9.
			return errForeign
		case err != nil || response.Opcode != r.Opcode:
			return errUnasked
		case r.Opcode == pcp.Map && !fits(r, &response):
			return errUnasked
		}
		return nil
	})
	if err == nil {
		s.see(response.Epoch, time.Now())
	}
	return response, err
}

// fits tells whether a response about a mapping answers the request: the mapping is the same, and so is what was
// wanted with it, since the answer to an earlier request may have been delayed.
func fits(r *pcp.Request, response *pcp.Response) bool {
	asked, got := r.Mapping, response.Mapping
	asked.External, got.External = netip.AddrPort{}, netip.AddrPort{}
	switch {
	case asked != got:
		return false
	case response.Result != pcp.Success:
		return true
	case r.Lifetime == 0:
		return response.Lifetime == 0
	}
	return response.Lifetime > 0 && response.Mapping.External.Port() != 0
}

func (s *speakPCP) address() netip.Addr { return s.external }
func (s *speakPCP) close()              { _ = s.link.conn.Close() }
