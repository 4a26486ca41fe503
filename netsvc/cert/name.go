package cert

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidXMPPAddr       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 5} // RFC 6120 section 13.7.1.4
	oidDNSSRV         = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 7} // RFC 4985
)

// The tags of a GeneralName (RFC 5280 section 4.2.1.6).
const (
	tagOtherName = 0
	tagEmail     = 1
	tagDNS       = 2
	tagIP        = 7
)

// Names are the identities in a certificate's subjectAltName that XMPP uses. The
// common name is not among them (RFC 9525 section 2).
type Names struct {
	XMPP  []string // id-on-xmppAddr: a JID
	SRV   []string // id-on-dnsSRV: "_xmpp-client.example.org"
	DNS   []string
	Email []string
}

// NamesOf reads the names of c. What it cannot read it leaves out.
func NamesOf(c *x509.Certificate) Names {
	n := Names{DNS: c.DNSNames, Email: c.EmailAddresses}
	for _, e := range c.Extensions {
		if e.Id.Equal(oidSubjectAltName) {
			n.others(e.Value)
		}
	}
	return n
}

// others reads the otherName entries, which crypto/x509 skips.
func (n *Names) others(der []byte) {
	var seq asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &seq); err != nil || len(rest) > 0 || seq.Tag != asn1.TagSequence || !seq.IsCompound {
		return
	}
	for rest := seq.Bytes; len(rest) > 0; {
		var name asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &name); err != nil {
			return
		}
		if name.Class != asn1.ClassContextSpecific || name.Tag != tagOtherName {
			continue
		}
		var id asn1.ObjectIdentifier
		inner, err := asn1.Unmarshal(name.Bytes, &id)
		if err != nil {
			continue
		}
		var wrapped asn1.RawValue
		if _, err := asn1.Unmarshal(inner, &wrapped); err != nil || wrapped.Class != asn1.ClassContextSpecific || wrapped.Tag != 0 {
			continue
		}
		var value asn1.RawValue
		if _, err := asn1.Unmarshal(wrapped.Bytes, &value); err != nil || value.Class != asn1.ClassUniversal {
			continue
		}
		switch {
		case id.Equal(oidXMPPAddr) && value.Tag == asn1.TagUTF8String:
			n.XMPP = append(n.XMPP, string(value.Bytes))
		case id.Equal(oidDNSSRV) && value.Tag == asn1.TagIA5String:
			n.SRV = append(n.SRV, string(value.Bytes))
		}
	}
}

// Covers reports whether a client that wants domain finds it in c: as dNSName
// with its wildcards or IP address, as xmppAddr, or as SRVName of a client or
// server connection (RFC 6120 section 13.7.1.2).
func Covers(c *x509.Certificate, domain string) bool {
	ascii := asciiName(domain)
	if c.VerifyHostname(ascii) == nil {
		return true
	}
	n := NamesOf(c)
	for _, x := range n.XMPP {
		if x == domain || strings.EqualFold(x, ascii) {
			return true
		}
	}
	for _, s := range n.SRV {
		if strings.EqualFold(s, "_xmpp-client."+ascii) || strings.EqualFold(s, "_xmpp-server."+ascii) {
			return true
		}
	}
	return false
}

// asciiName is a domain as DNS, SNI and certificates spell it: lower case, with
// international labels in their A-form, without a final dot.
func asciiName(domain string) string {
	domain = strings.TrimSuffix(domain, ".")
	for i := 0; i < len(domain); i++ {
		if domain[i] >= 0x80 {
			if a, err := idna.ToASCII(domain); err == nil {
				domain = a
			}
			break
		}
	}
	return strings.ToLower(domain)
}

// addressOf is domain as an IP address, if it is one ("[2001:db8::1]" too).
func addressOf(domain string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.Trim(domain, "[]"))
	return a, err == nil
}

// altNames builds the subjectAltName extension of a leaf: the domain as dNSName
// (or address), as xmppAddr, and as SRVName of both XMPP services, and the
// addresses at which clients in the local network reach it.
//
// It is built by hand because crypto/x509 does not write otherName.
func altNames(domain string, addrs []netip.Addr) (pkix.Extension, error) {
	var names []asn1.RawValue
	add := func(tag int, b []byte) {
		names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: b})
	}
	other := func(id asn1.ObjectIdentifier, tag int, s string) error {
		oid, err := asn1.Marshal(id)
		if err != nil {
			return err
		}
		value, err := asn1.Marshal(asn1.RawValue{Tag: tag, Bytes: []byte(s)})
		if err != nil {
			return err
		}
		wrapped, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: value})
		if err != nil {
			return err
		}
		names = append(names, asn1.RawValue{
			Class: asn1.ClassContextSpecific, Tag: tagOtherName, IsCompound: true, Bytes: append(oid, wrapped...)})
		return nil
	}
	if a, ok := addressOf(domain); ok {
		addrs = append([]netip.Addr{a}, addrs...)
	} else {
		ascii := asciiName(domain)
		add(tagDNS, []byte(ascii))
		for _, service := range []string{"_xmpp-client.", "_xmpp-server."} {
			if err := other(oidDNSSRV, asn1.TagIA5String, service+ascii); err != nil {
				return pkix.Extension{}, err
			}
		}
	}
	if err := other(oidXMPPAddr, asn1.TagUTF8String, domain); err != nil {
		return pkix.Extension{}, err
	}
	for _, a := range addrs {
		add(tagIP, net.IP(a.Unmap().AsSlice()))
	}
	value, err := asn1.Marshal(names)
	return pkix.Extension{Id: oidSubjectAltName, Value: value}, err
}
