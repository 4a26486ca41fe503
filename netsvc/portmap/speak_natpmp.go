package portmap

import (
	"context"
	"net/netip"
	"time"

	"linnet/netsvc/outside"
	"linnet/netsvc/wire/natpmp"
)

// speakNATPMP is NAT-PMP, RFC 6886.
type speakNATPMP struct {
	epoch
	link     *link
	external netip.Addr
}

func (s *speakNATPMP) name() string { return "nat-pmp" }

func (s *speakNATPMP) open(ctx context.Context) error { return s.check(ctx) }

func (s *speakNATPMP) check(ctx context.Context) error {
	r, err := s.exchange(ctx, &natpmp.Request{Opcode: natpmp.Address})
	switch {
	case err != nil:
		return err
	case r.Result == natpmp.UnsupportedVersion:
		return errForeign
	case r.Result != natpmp.Success:
		s.external = netip.Addr{} // it is there, but has no line
		return nil
	}
	s.external = r.Address
	return nil
}

func (s *speakNATPMP) add(ctx context.Context, t outside.Target, external uint16, lifetime time.Duration) (grant, error) {
	r, err := s.exchange(ctx, &natpmp.Request{Opcode: opcode(t), Internal: t.Port, External: external, Lifetime: seconds(lifetime)})
	if err != nil {
		return grant{}, err
	}
	if r.Result != natpmp.Success {
		return grant{}, r.Result
	}
	return grant{r.External, time.Duration(r.Lifetime) * time.Second}, nil
}

func (s *speakNATPMP) remove(ctx context.Context, t outside.Target, _ uint16) error {
	r, err := s.exchange(ctx, &natpmp.Request{Opcode: opcode(t), Internal: t.Port})
	if err == nil && r.Result != natpmp.Success {
		return r.Result
	}
	return err
}

func opcode(t outside.Target) natpmp.Opcode {
	if t.Network == "udp" {
		return natpmp.MapUDP
	}
	return natpmp.MapTCP
}

func (s *speakNATPMP) exchange(ctx context.Context, r *natpmp.Request) (response natpmp.Response, err error) {
	err = s.link.ask(ctx, r.Append(nil), func(b []byte) (err error) {
		response, err = natpmp.ParseResponse(b)
		switch {
		case err != nil || response.Opcode != r.Opcode:
			return errUnasked
		case response.Result != natpmp.Success:
			return nil
		case r.Opcode == natpmp.Address:
			return nil
		case response.Internal != r.Internal:
			return errUnasked
		case r.Lifetime == 0 && response.Lifetime != 0, r.Lifetime > 0 && (response.Lifetime == 0 || response.External == 0):
			return errUnasked // to an earlier request about the same port
		}
		return nil
	})
	if err == nil {
		s.see(response.Epoch, time.Now())
	}
	return response, err
}

func (s *speakNATPMP) address() netip.Addr { return s.external }
func (s *speakNATPMP) close()              { _ = s.link.conn.Close() }
