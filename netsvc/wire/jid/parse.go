package jid

import "strings"

// Error says which part of an address is wrong, and how. It never repeats the
// address, so that a log line that has it tells nothing of who wrote to whom.
type Error string

func (e Error) Error() string { return "jid: " + string(e) }

// The errors of Parse and New. To a peer all of them are jid-malformed.
const (
	ErrLocalEmpty      = Error("local part is empty")
	ErrLocalLong       = Error("local part is longer than 1023 bytes")
	ErrLocalInvalid    = Error("local part holds what RFC 7622 section 3.3 does not allow")
	ErrDomainEmpty     = Error("domain is empty")
	ErrDomainLong      = Error("domain is longer than 1023 bytes")
	ErrDomainInvalid   = Error("domain is neither a host name nor an address")
	ErrResourceEmpty   = Error("resource is empty")
	ErrResourceLong    = Error("resource is longer than 1023 bytes")
	ErrResourceInvalid = Error("resource holds what RFC 7622 section 3.4 does not allow")
)

// Parse reads an address and returns it prepared: local part in lower case,
// domain as U-labels. Nothing is trimmed. The result does not keep s alive,
// so an address cut out of a large document may be kept for long.
//
// An address in ASCII costs one allocation.
func Parse(s string) (JID, error) {
	j, err := parse(s)
	if err == nil {
		// A canonical s was taken as it is.
		j.text = strings.Clone(j.text)
	}
	return j, err
}

// MustParse is Parse for tests and constants: it panics on an error.
func MustParse(s string) JID {
	j, err := Parse(s)
	if err != nil {
		panic(err.Error() + ": " + s)
	}
	return j
}

// New makes an address of its parts, each in any spelling. An empty local
// part or resource stands for none; an empty domain is an error. Separators
// within a part are checked, never split at.
func New(local, domain, resource string) (j JID, err error) {
	if local != "" {
		if local, err = prepareLocal(local); err != nil {
			return JID{}, err
		}
	}
	if domain, err = prepareDomain(domain); err != nil {
		return JID{}, err
	}
	if resource != "" {
		if resource, err = prepareResource(resource); err != nil {
			return JID{}, err
		}
	}
	j = join(local, domain, resource)
	// A part that was canonical, and came without company, is still the
	// caller's string.
	j.text = strings.Clone(j.text)
	return j, nil
}

// parse is Parse whose result may share s.
func parse(s string) (JID, error) {
	local, domain, resource, err := split(s)
	if err != nil {
		return JID{}, err
	}
	canonical := len(s)
	if local != "" {
		if local, err = prepareLocal(local); err != nil {
			return JID{}, err
		}
		canonical -= len(local) + 1
	}
	if domain, err = prepareDomain(domain); err != nil {
		return JID{}, err
	}
	canonical -= len(domain)
	if resource != "" {
		if resource, err = prepareResource(resource); err != nil {
			return JID{}, err
		}
		canonical -= len(resource) + 1
	}
	// When all lengths agree, the parts most often stand in s already.
	if canonical == 0 {
		j := locate(s, local, domain)
		if j.Local() == local && j.Domain() == domain && j.Resource() == resource {
			return j, nil
		}
	}
	return join(local, domain, resource), nil
}

// split cuts at the first slash, then at the first @ before it (RFC 7622
// section 3.1), so that a resource may hold both. A separator without its
// part is an error.
func split(s string) (local, domain, resource string, err error) {
	domain = s
	if i := strings.IndexByte(domain, '/'); i >= 0 {
		domain, resource = domain[:i], domain[i+1:]
		if resource == "" {
			return "", "", "", ErrResourceEmpty
		}
	}
	if i := strings.IndexByte(domain, '@'); i >= 0 {
		local, domain = domain[:i], domain[i+1:]
		if local == "" {
			return "", "", "", ErrLocalEmpty
		}
	}
	if domain == "" {
		return "", "", "", ErrDomainEmpty
	}
	return local, domain, resource, nil
}

// join makes an address of prepared parts.
func join(local, domain, resource string) JID {
	text := domain
	switch {
	case local != "" && resource != "":
		text = local + "@" + domain + "/" + resource
	case local != "":
		text = local + "@" + domain
	case resource != "":
		text = domain + "/" + resource
	}
	return locate(text, local, domain)
}

// locate sets the offsets of a text that begins with these prepared parts.
func locate(text, local, domain string) JID {
	j := JID{text: text, at: uint16(len(local))}
	j.end = uint16(j.domainStart() + len(domain))
	return j
}
