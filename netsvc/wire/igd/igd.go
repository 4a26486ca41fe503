package igd

import (
	"slices"
	"strconv"
	"strings"

	"linnet/netsvc/wire/xmlstream"
)

// Kinds of device and service by which a router is found. One of the second version answers to a search for the
// first, too.
const (
	Device = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
	IP2    = "urn:schemas-upnp-org:service:WANIPConnection:2"
	IP1    = "urn:schemas-upnp-org:service:WANIPConnection:1"
	PPP1   = "urn:schemas-upnp-org:service:WANPPPConnection:1"
)

// kinds are the services that map ports, the best first.
var kinds = []string{IP2, IP1, PPP1}

// Service is a service of a router that maps ports.
type Service struct {
	Kind    string // IP2, IP1 or PPP1
	Control string // where it takes calls: a URL, mostly a relative one
}

// Description is what is needed of a router's description.
type Description struct {
	Base     string    // what URLs are relative to, if not to where the description was found
	Services []Service // those that map ports, best kind first; a router with several lines has several
}

// ParseDescription reads a device's description, however deep its devices stand in each other.
func ParseDescription(b []byte) (Description, error) {
	var d Description
	var s Service
	err := walk(b, func(path []string, text string) error {
		parent := ""
		if len(path) > 1 {
			parent = path[len(path)-2]
		}
		switch name := path[len(path)-1]; {
		case name == "URLBase" && parent == "root":
			if printable(text) {
				d.Base = text
			}
		case name == "serviceType" && parent == "service":
			s.Kind = text
		case name == "controlURL" && parent == "service":
			s.Control = text
		case name == "service":
			if slices.Contains(kinds, s.Kind) && s.Control != "" && printable(s.Control) {
				if len(d.Services) == maxList {
					return ErrTooLarge
				}
				d.Services = append(d.Services, s)
			}
			s = Service{}
		}
		return nil
	})
	slices.SortStableFunc(d.Services, func(a, b Service) int { return slices.Index(kinds, a.Kind) - slices.Index(kinds, b.Kind) })
	return d, err
}

// Value is one named value of a call or an answer.
type Value struct{ Name, Text string }

// AppendCall appends the envelope of a call. The values stand in the order that the service's description gives.
func AppendCall(dst []byte, service, action string, values ...Value) []byte {
	dst = append(dst, `<?xml version="1.0"?>`+"\r\n"+`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"`+
		` s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body><u:`...)
	dst = append(dst, action+` xmlns:u="`+service+`">`...)
	for _, v := range values {
		dst = append(dst, "<"+v.Name+">"...)
		dst = xmlstream.AppendText(dst, v.Text)
		dst = append(dst, "</"+v.Name+">"...)
	}
	return append(dst, "</u:"+action+"></s:Body></s:Envelope>\r\n"...)
}

// Fault is what a service answers when it refuses, with the code of UPnP.
type Fault struct {
	Code int
	Text string // the router's own words
}

// Codes of faults that a client treats specially: UPnP Device Architecture, section 3.2.2, and WANIPConnection 2.0,
// section 2.5.
const (
	InvalidAction  = 401
	ActionFailed   = 501
	NotAuthorized  = 606
	NoSuchEntry    = 714
	Conflict       = 718
	SamePorts      = 724 // external and internal port must be the same
	OnlyPermanent  = 725 // there are no leases
	NoPortsInRange = 728
)

// Error describes the fault.
func (f *Fault) Error() string {
	text := strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, f.Text)
	return "the router says: " + strconv.Itoa(f.Code) + " " + text[:min(len(text), 80)]
}

// Answer is what a service answers.
type Answer struct{ Values []Value }

// Get returns the value of that name, "" if there is none.
func (a *Answer) Get(name string) string {
	for _, v := range a.Values {
		if v.Name == name {
			return v.Text
		}
	}
	return ""
}

// ParseAnswer reads the envelope of the answer to a call; the error is a *Fault where the service refused.
func ParseAnswer(b []byte, action string) (Answer, error) {
	var a Answer
	var fault *Fault
	answered := false
	err := walk(b, func(path []string, text string) error {
		name := path[len(path)-1]
		switch {
		case slices.Contains(path, "Fault"):
			if name == "errorCode" || name == "errorDescription" {
				if fault == nil {
					fault = new(Fault)
				}
				if name == "errorDescription" {
					fault.Text = text
				} else if code, err := strconv.ParseUint(text, 10, 16); err == nil {
					fault.Code = int(code)
				}
			}
			if name == "Fault" && fault == nil {
				fault = &Fault{Text: "a fault without a code"}
			}
		case name == action+"Response":
			answered = true
		case len(path) > 1 && path[len(path)-2] == action+"Response":
			if len(a.Values) == maxList {
				return ErrTooLarge
			}
			a.Values = append(a.Values, Value{name, text})
		}
		return nil
	})
	switch {
	case err != nil:
		return Answer{}, err
	case fault != nil:
		return Answer{}, fault
	case !answered:
		return Answer{}, ErrXML
	}
	return a, nil
}
