package guard

import (
	"encoding/binary"

	"github.com/pion/stun/v2"
)

// request is a client's request while it is looked at.
type request struct {
	message stun.Message // decoded; its Raw is the guard's copy
	from    Path
	id      [stun.TransactionIDSize]byte
	method  stun.Method

	// signed is what counts: the attributes before MESSAGE-INTEGRITY. What stands behind it could have been put there
	// by anybody and is ignored (RFC 8489 section 14.5).
	signed      stun.Attributes
	integrity   bool
	fingerprint bool

	who user // after authentication
}

// user is who a request was found to be from, with the key that answers to it are signed with.
type user struct {
	*User
	key []byte
}

// read takes a well-formed message.
func (r *request) read(b []byte, from Path) bool {
	r.message.Raw = append(r.message.Raw[:0], b...)
	if r.message.Decode() != nil {
		return false // pion is stricter than wellFormed: it never was, in all that the fuzzer tried
	}
	r.from, r.id, r.method = from, r.message.TransactionID, r.message.Type.Method
	r.integrity, r.fingerprint, r.who = false, false, user{}
	r.signed = r.message.Attributes
	for i, a := range r.message.Attributes {
		switch a.Type {
		case stun.AttrMessageIntegrity:
			if !r.integrity {
				r.integrity, r.signed = true, r.message.Attributes[:i]
			}
		case stun.AttrFingerprint:
			r.fingerprint = true
		}
	}
	return true
}

// envelope is what an answer needs of the request, which can be kept.
func (r *request) envelope() request {
	return request{from: r.from, id: r.id, method: r.method, fingerprint: r.fingerprint, who: r.who}
}

// get returns the value of the first attribute of that kind.
func (r *request) get(kind stun.AttrType) (value []byte, ok bool) {
	for _, a := range r.signed {
		if a.Type == kind {
			return a.Value, true
		}
	}
	return nil, false
}

// has reports whether there is such an attribute.
func (r *request) has(kind stun.AttrType) bool {
	_, ok := r.get(kind)
	return ok
}

// number returns a number of four bytes; ok is false unless the attribute is there and has that size.
func (r *request) number(kind stun.AttrType) (n uint32, ok bool) {
	v, ok := r.get(kind)
	if !ok || len(v) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(v), true
}

// everywhere are the attributes that every request may have; understood are those that one method knows beside
// them. Anything else that must be understood is answered with 420 (RFC 8489 section 6.3.1).
var everywhere = []stun.AttrType{
	stun.AttrUsername, stun.AttrRealm, stun.AttrNonce, stun.AttrMessageIntegrity, attrIntegritySHA256,
}

func understood(m stun.Method) []stun.AttrType {
	switch m {
	case stun.MethodAllocate:
		return []stun.AttrType{stun.AttrRequestedTransport, stun.AttrLifetime, stun.AttrDontFragment, stun.AttrEvenPort,
			stun.AttrReservationToken, stun.AttrRequestedAddressFamily}
	case stun.MethodRefresh:
		return []stun.AttrType{stun.AttrLifetime, stun.AttrRequestedAddressFamily}
	case stun.MethodCreatePermission:
		return []stun.AttrType{stun.AttrXORPeerAddress}
	case stun.MethodChannelBind:
		return []stun.AttrType{stun.AttrXORPeerAddress, stun.AttrChannelNumber}
	case stun.MethodSend:
		return []stun.AttrType{stun.AttrXORPeerAddress, stun.AttrData, stun.AttrDontFragment}
	}
	return nil
}

// unknown lists what the server does not understand and must, at most ten of them: the answer must not be larger
// than what it answers.
func (r *request) unknown() (list stun.UnknownAttributes) {
	known := understood(r.method)
next:
	for _, a := range r.signed {
		if !a.Type.Required() || len(list) == 10 {
			continue
		}
		for _, t := range everywhere {
			if t == a.Type {
				continue next
			}
		}
		for _, t := range known {
			if t == a.Type {
				continue next
			}
		}
		for _, t := range list {
			if t == a.Type {
				continue next
			}
		}
		list = append(list, a.Type)
	}
	return list
}
