package igd

import (
	"bytes"
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// The errors of reading.
var (
	ErrMore     = errors.New("igd: the message is cut off")
	ErrHTTP     = errors.New("igd: not an answer of HTTP/1.1")
	ErrTooLarge = errors.New("igd: larger than any router's answer")
	ErrURL      = errors.New("igd: not a URL of the form http://address:port/path")
)

// Head is the status line and the header of an answer.
type Head struct {
	Status int
	lines  []byte // "Name: value\r\n"…
}

// ParseHead reads the head that b begins with and returns how long it is. ErrMore says that b may be the beginning
// of one. An SSDP answer is nothing but a head.
func ParseHead(b []byte) (h Head, n int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	n = end + 4
	if bare := bytes.Index(b, []byte("\n\n")); bare >= 0 && (end < 0 || bare < end) { // as some routers send it
		end, n = bare, bare+2
	}
	switch {
	case end > MaxHead-4 || end < 0 && len(b) >= MaxHead:
		return Head{}, 0, ErrTooLarge
	case end < 0:
		if len(b) >= 5 && string(b[:5]) != "HTTP/" {
			return Head{}, 0, ErrHTTP
		}
		return Head{}, 0, ErrMore
	}
	first, rest, _ := bytes.Cut(b[:n], []byte("\n"))
	version, status, ok := strings.Cut(strings.TrimRight(string(first), "\r"), " ")
	code, _, _ := strings.Cut(status, " ")
	if !ok || !strings.HasPrefix(version, "HTTP/1.") || len(code) != 3 {
		return Head{}, 0, ErrHTTP
	}
	if h.Status, err = strconv.Atoi(code); err != nil || h.Status < 100 {
		return Head{}, 0, ErrHTTP
	}
	h.lines = rest
	return h, n, nil
}

// Get returns the value of a header field, "" if there is none.
func (h *Head) Get(name string) string {
	rest := h.lines
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		key, value, ok := strings.Cut(string(line), ":")
		if ok && strings.EqualFold(key, name) {
			return strings.Trim(value, " \t\r")
		}
	}
	return ""
}

// Reply is an answer with its body.
type Reply struct {
	Head
	Body []byte
}

// ParseReply reads an answer from what came on a connection so far; ended tells that nothing more will come. ErrMore
// says that something is missing.
func ParseReply(b []byte, ended bool) (Reply, error) {
	head, n, err := ParseHead(b)
	for err == nil && head.Status < 200 { // 100 Continue, which nobody asked for
		b = b[n:]
		head, n, err = ParseHead(b)
	}
	if err != nil {
		return Reply{}, err
	}
	r := Reply{Head: head, Body: b[n:]}
	coding, length := r.Get("Transfer-Encoding"), r.Get("Content-Length")
	switch {
	case strings.EqualFold(coding, "chunked"):
		r.Body, err = chunks(r.Body)
		return r, err
	case coding != "" && !strings.EqualFold(coding, "identity"):
		return Reply{}, ErrHTTP
	case length != "":
		size, err := strconv.ParseUint(length, 10, 31)
		if err != nil {
			return Reply{}, ErrHTTP
		}
		if size > MaxBody {
			return Reply{}, ErrTooLarge
		}
		if uint64(len(r.Body)) < size {
			return Reply{}, ErrMore
		}
		r.Body = r.Body[:size]
	case len(r.Body) > MaxBody:
		return Reply{}, ErrTooLarge
	case !ended:
		return Reply{}, ErrMore
	}
	return r, nil
}

// chunks joins the chunks of a body, RFC 9112 section 7.1. Trailers are passed over.
func chunks(b []byte) ([]byte, error) {
	var body []byte
	for {
		line, rest, ok := bytes.Cut(b, []byte("\n"))
		if !ok {
			if len(b) > MaxHead {
				return nil, ErrTooLarge
			}
			return nil, ErrMore
		}
		digits, _, _ := strings.Cut(strings.Trim(string(line), " \t\r"), ";")
		size, err := strconv.ParseUint(strings.TrimSpace(digits), 16, 31)
		switch {
		case err != nil:
			return nil, ErrHTTP
		case size == 0:
			return body, nil
		case size+uint64(len(body)) > MaxBody:
			return nil, ErrTooLarge
		case uint64(len(rest)) < size:
			return nil, ErrMore
		}
		body = append(body, rest[:size]...)
		_, b, ok = bytes.Cut(rest[size:], []byte("\n"))
		if !ok {
			return nil, ErrMore
		}
	}
}

// URL is the address of a document or a service. Its host is an address and no name: what a router says about
// itself can be compared with where the router is.
type URL struct {
	At   netip.AddrPort
	Path string // with the query, begins with "/"
}

// ParseURL reads an absolute URL of the scheme http.
func ParseURL(text string) (URL, error) {
	if len(text) > maxURL {
		return URL{}, ErrTooLarge
	}
	const scheme = "http://"
	if len(text) < len(scheme) || !strings.EqualFold(text[:len(scheme)], scheme) {
		return URL{}, ErrURL
	}
	host, path := text[len(scheme):], "/"
	if i := strings.IndexAny(host, "/?#"); i >= 0 {
		host, path = host[:i], host[i:]
		if path[0] != '/' {
			path = "/" + path
		}
	}
	if path, _, _ = strings.Cut(path, "#"); !printable(path) {
		return URL{}, ErrURL
	}
	at, err := netip.ParseAddrPort(host)
	if err != nil {
		a, err := netip.ParseAddr(host)
		if err != nil {
			return URL{}, ErrURL
		}
		at = netip.AddrPortFrom(a, 80)
	}
	if !at.Addr().Is4() || at.Port() == 0 {
		return URL{}, ErrURL
	}
	return URL{at, path}, nil
}

// Resolve reads a URL that may be relative to u.
func (u URL) Resolve(text string) (URL, error) {
	if strings.Contains(text, "://") {
		return ParseURL(text)
	}
	if text == "" || len(text) > maxURL || strings.HasPrefix(text, "//") || !printable(text) {
		return URL{}, ErrURL
	}
	path, _, _ := strings.Cut(text, "#")
	if !strings.HasPrefix(path, "/") {
		folder, _, _ := strings.Cut(u.Path, "?")
		path = folder[:strings.LastIndexByte(folder, '/')+1] + path
	}
	return URL{u.At, path}, nil
}

// printable refuses what could end the line of a request: a URL is visible ASCII (RFC 3986).
func printable(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// AppendGet appends a request for a document.
func AppendGet(dst []byte, u URL) []byte {
	return append(appendHost(append(dst, "GET "+u.Path...), u), "Connection: close\r\n\r\n"...)
}

// AppendPost appends a call of a service (see AppendCall) with its HTTP head.
func AppendPost(dst []byte, u URL, service, action string, envelope []byte) []byte {
	dst = appendHost(append(dst, "POST "+u.Path...), u)
	dst = append(dst, "Connection: close\r\nContent-Type: text/xml; charset=\"utf-8\"\r\nSOAPAction: \""...)
	dst = append(dst, service+"#"+action+"\"\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(envelope)), 10)
	return append(append(dst, "\r\n\r\n"...), envelope...)
}

func appendHost(dst []byte, u URL) []byte {
	return append(u.At.AppendTo(append(dst, " HTTP/1.1\r\nHost: "...)), "\r\n"...)
}

// AppendSearch appends an SSDP search for devices or services of the kind target. at is where it is sent to, wait
// how many seconds an answer may take: devices spread theirs over that time.
func AppendSearch(dst []byte, at netip.AddrPort, target string, wait int) []byte {
	dst = at.AppendTo(append(dst, "M-SEARCH * HTTP/1.1\r\nHOST: "...))
	dst = append(dst, "\r\nMAN: \"ssdp:discover\"\r\nMX: "...)
	dst = strconv.AppendInt(dst, int64(wait), 10)
	return append(dst, "\r\nST: "+target+"\r\n\r\n"...)
}
