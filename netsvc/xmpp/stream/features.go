package stream

import (
	"strconv"
	"time"

	"linnet/netsvc/wire/xmlstream"
)

// The namespaces of features.
const (
	TLSSpace     = "urn:ietf:params:xml:ns:xmpp-tls"
	SASLSpace    = "urn:ietf:params:xml:ns:xmpp-sasl"
	BindSpace    = "urn:ietf:params:xml:ns:xmpp-bind"
	bindingSpace = "urn:xmpp:sasl-cb:0"       // XEP-0440
	limitSpace   = "urn:xmpp:stream-limits:0" // XEP-0478
	manageSpace  = "urn:xmpp:sm:3"            // XEP-0198
)

// Features are what a receiving end offers (RFC 6120 section 4.3.2).
type Features struct {
	StartTLS, TLSRequired bool
	Mechanisms            []string // of SASL
	Bindings              []string // types of channel binding
	Bind                  bool
	MaxBytes              int           // of a first-level element; 0 = not said
	Idle                  time.Duration // after which the peer may be checked on; 0 = not said
	More                  [][]byte      // other features: whole elements with their xmlns
}

// Append writes the features element; the prefix "stream" must be bound around.
func (f *Features) Append(dst []byte) []byte {
	from := len(dst)
	dst = append(dst, "<stream:features>"...)
	if f.StartTLS {
		dst = append(dst, "<starttls xmlns='"+TLSSpace+"'>"...)
		if f.TLSRequired {
			dst = append(dst, "<required/>"...)
		}
		dst = append(dst, "</starttls>"...)
	}
	if len(f.Mechanisms) > 0 {
		dst = append(dst, "<mechanisms xmlns='"+SASLSpace+"'>"...)
		for _, m := range f.Mechanisms {
			dst = append(append(append(dst, "<mechanism>"...), m...), "</mechanism>"...)
		}
		dst = append(dst, "</mechanisms>"...)
	}
	if len(f.Bindings) > 0 {
		dst = append(dst, "<sasl-channel-binding xmlns='"+bindingSpace+"'>"...)
		for _, b := range f.Bindings {
			dst = append(append(append(dst, "<channel-binding type='"...), b...), "'/>"...)
		}
		dst = append(dst, "</sasl-channel-binding>"...)
	}
	if f.Bind {
		dst = append(dst, "<bind xmlns='"+BindSpace+"'/>"...)
	}
	if f.MaxBytes > 0 || f.Idle > 0 {
		dst = append(dst, "<limits xmlns='"+limitSpace+"'>"...)
		if f.MaxBytes > 0 {
			dst = append(strconv.AppendInt(append(dst, "<max-bytes>"...), int64(f.MaxBytes), 10), "</max-bytes>"...)
		}
		if f.Idle > 0 {
			dst = append(strconv.AppendInt(append(dst, "<idle-seconds>"...), int64(f.Idle/time.Second), 10), "</idle-seconds>"...)
		}
		dst = append(dst, "</limits>"...)
	}
	for _, e := range f.More {
		dst = append(dst, e...)
	}
	if len(dst)-from == len("<stream:features>") {
		return append(dst[:from], "<stream:features/>"...)
	}
	return append(dst, "</stream:features>"...)
}

// ParseFeatures reads a features element. What it does not know it keeps in
// More, as it came.
func ParseFeatures(n *xmlstream.Node) *Features {
	f := new(Features)
	for _, k := range n.Kids {
		switch k.Name {
		case xmlstream.Name{Space: TLSSpace, Local: "starttls"}:
			f.StartTLS, f.TLSRequired = true, k.Child(TLSSpace, "required") != nil
		case xmlstream.Name{Space: SASLSpace, Local: "mechanisms"}:
			for _, m := range k.Kids {
				if m.Is(SASLSpace, "mechanism") {
					f.Mechanisms = append(f.Mechanisms, m.Text)
				}
			}
		case xmlstream.Name{Space: bindingSpace, Local: "sasl-channel-binding"}:
			for _, b := range k.Kids {
				if b.Is(bindingSpace, "channel-binding") && b.Attr("type") != "" {
					f.Bindings = append(f.Bindings, b.Attr("type"))
				}
			}
		case xmlstream.Name{Space: BindSpace, Local: "bind"}:
			f.Bind = true
		case xmlstream.Name{Space: limitSpace, Local: "limits"}:
			if v, err := strconv.ParseUint(k.ChildText(limitSpace, "max-bytes"), 10, 31); err == nil {
				f.MaxBytes = int(v)
			}
			if v, err := strconv.ParseUint(k.ChildText(limitSpace, "idle-seconds"), 10, 31); err == nil {
				f.Idle = time.Duration(v) * time.Second
			}
		default:
			f.More = append(f.More, k.Raw)
		}
	}
	return f
}
