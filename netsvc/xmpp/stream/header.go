package stream

import (
	"crypto/rand"
	"encoding/base64"
	"strconv"
	"strings"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
)

// Header is a stream's open tag, as either end sends it (RFC 6120 section 4.7).
type Header struct {
	Content string // content namespace: xmlstream.ClientSpace, ServerSpace, …
	To      string
	From    string
	ID      string // of the receiving end's only
	Lang    string
	// Extra are further namespace declarations, such as xmlns:db='…' of dialback.
	Extra string
}

// Append writes the header with its XML declaration, which stands before each
// header anew: every restart begins a new document.
func (h *Header) Append(dst []byte) []byte {
	dst = append(dst, "<?xml version='1.0'?><stream:stream xmlns='"...)
	dst = append(dst, h.Content...)
	dst = append(dst, "' xmlns:stream='"+Space+"'"...)
	dst = append(dst, h.Extra...)
	for _, a := range [...]struct{ name, value string }{{"id", h.ID}, {"from", h.From}, {"to", h.To}, {"xml:lang", h.Lang}} {
		if a.value != "" {
			dst = append(append(append(dst, ' '), a.name...), "='"...)
			dst = append(xmlstream.AppendAttr(dst, a.value), '\'')
		}
	}
	return append(dst, " version='1.0'>"...)
}

// newID draws a stream's id: nobody may predict it (RFC 6120 section 4.7.3).
func newID() string {
	var b [15]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// checkVersion applies RFC 6120 section 4.7.5: what is older than 1.0, or says
// nothing, knows no features; a later minor or major version is answered with
// ours.
func checkVersion(v string) *Error {
	major, minor, ok := strings.Cut(v, ".")
	if v == "" {
		return Fail(UnsupportedVersion, "version 1.0 is required")
	}
	m, err1 := strconv.ParseUint(major, 10, 16)
	_, err2 := strconv.ParseUint(minor, 10, 16)
	if !ok || err1 != nil || err2 != nil || m < 1 {
		return Fail(UnsupportedVersion, "version 1.0 is required")
	}
	return nil
}

// checkHeader holds a client's header against what the stream is so far, and
// chooses the domain.
func (s *Stream) checkHeader(h *xmlstream.Header) *Error {
	if h.Content != "" && h.Content != xmlstream.ClientSpace {
		return Fail(InvalidNamespace, "this is the port for clients")
	}
	if e := checkVersion(h.Version); e != nil {
		return e
	}
	if h.To == "" {
		return Fail(ImproperAddressing, "the header has no 'to'")
	}
	to, err := jid.Parse(h.To)
	if err != nil || !to.IsHost() || !s.o.IsHost(to.Domain()) {
		return Fail(HostUnknown, "")
	}
	if s.Identity.IsZero() {
		s.host = to.Domain()
	} else if to.Domain() != s.host {
		return Fail(HostUnknown, "the domain is not the one authenticated for")
	}
	s.from = jid.JID{}
	if h.From != "" {
		from, err := jid.Parse(h.From)
		if err != nil {
			return Fail(InvalidFrom, "")
		}
		if !s.Identity.IsZero() && from.Bare() != s.Identity {
			return Fail(InvalidFrom, "not the one authenticated for")
		}
		s.from = from.Bare()
	}
	return nil
}
