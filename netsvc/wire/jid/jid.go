// Package jid owns the XMPP address: parsing, preparation, comparison, and a
// small cache of what a connection spelled recently.
//
// It follows RFC 7622, with PRECIS as RFC 8264 and RFC 8265 have it and IDNA
// as RFC 5890 to 5893. It does not apply XEP-0106: an escaped local part is
// an opaque spelling to a server. It knows nothing of hosts that exist.
//
// Where RFC 7622 leaves a choice, or practice differs, the decisions are:
//
//   - A label of the domain may hold an underscore, and begin or end with
//     one: names of containers and of machines on a LAN do, and refusing them
//     would protect nobody. They are spelled in ASCII only.
//   - Other ASCII labels are letters, digits and inner hyphens. A label of the
//     reserved form "??--" (RFC 5890 section 2.3.1) is refused unless it is
//     a valid A-label, which turns into its U-label.
//   - A label has at most 63 bytes in its ASCII form. The domain as a whole
//     may be longer than the DNS allows: RFC 7622 says 1023 bytes.
//   - U-labels hold what IDNA 2008 permits; symbols such as emoji, which some
//     resolvers still look up, are refused.
//   - A dotted quad is a name like any other. An IPv6 address stands in
//     brackets and takes the spelling of RFC 5952; zones and the IPvFuture
//     form of RFC 3986 are refused, since they mean nothing to another host.
//   - One trailing dot of the domain is dropped.
//   - A resource may begin or end with a space. Example 18 of RFC 7622 says
//     it may not, yet no rule of the text does, and OpaqueString keeps spaces:
//     a server that refused them would bounce what others deliver.
package jid

// MaxPart is the longest local part, domain or resource, in bytes, after
// preparation (RFC 7622 section 3.1).
const MaxPart = 1023

// JID is one address, prepared and enforced. The zero value is no address.
//
// A JID is immutable, may be compared with == and be the key of a map. It is
// one string in canonical spelling and two offsets into it, so that every
// accessor is a slice of that string: none allocates.
type JID struct {
	text string
	// at is the length of the local part: 0 when there is none, since an
	// empty one is not valid. end is where the domain ends. Both follow from
	// text, and so do not disturb comparison.
	at, end uint16
}

// Local returns the part before the @, or "".
func (j JID) Local() string { return j.text[:j.at] }

// Domain returns the domain: U-labels in lower case, an IPv4 address, or an
// IPv6 address in brackets. It is "" for the zero JID only.
func (j JID) Domain() string { return j.text[j.domainStart():j.end] }

// Resource returns the part after the first slash, or "".
func (j JID) Resource() string {
	if int(j.end) == len(j.text) {
		return ""
	}
	return j.text[j.end+1:]
}

// Bare returns the address without its resource.
func (j JID) Bare() JID {
	j.text = j.text[:j.end]
	return j
}

// Host returns the address of the domain alone.
func (j JID) Host() JID {
	domain := j.Domain()
	return JID{text: domain, end: uint16(len(domain))}
}

// WithResource returns the bare address with another resource, prepared here;
// "" gives the bare address.
func (j JID) WithResource(resource string) (JID, error) {
	if j.IsZero() {
		return JID{}, ErrDomainEmpty
	}
	bare := j.Bare()
	if resource == "" {
		return bare, nil
	}
	resource, err := prepareResource(resource)
	if err != nil {
		return JID{}, err
	}
	bare.text += "/" + resource
	return bare, nil
}

// IsZero reports whether j is no address at all.
func (j JID) IsZero() bool { return j.text == "" }

// IsBare reports whether j is an address without a resource, with a local
// part or not.
func (j JID) IsBare() bool { return j.text != "" && int(j.end) == len(j.text) }

// IsFull reports whether j has a resource.
func (j JID) IsFull() bool { return int(j.end) != len(j.text) }

// IsHost reports whether j is a domain alone.
func (j JID) IsHost() bool { return j.at == 0 && j.IsBare() }

// String returns the canonical spelling. It costs nothing.
func (j JID) String() string { return j.text }

func (j JID) domainStart() int {
	if j.at == 0 {
		return 0
	}
	return int(j.at) + 1
}
