package firstboot

import (
	"fmt"
	"strings"
)

// Welcome is what a start says to the person who watches.
type Welcome struct {
	Version     string
	Domains     []string
	Data        string
	Addresses   []Address
	Admin       string   // bare address; "" when there are no accounts in this build
	Password    string   // of a first administrator that was made just now; shown this once
	Fingerprint string   // of the local CA, "" when certificates come from files
	Authority   string   // the file in which clients find the CA
	Warnings    []string // what the operator should know
	Ctl         string   // how to call the control program: "linnet ctl -data var/linnet"
	Message     []string // commands that send a first message
}

// Address is one address that the program listens on.
type Address struct {
	Name, Addr, Security string
}

// String renders it.
func (w *Welcome) String() string {
	var b strings.Builder
	row := func(label, text string) { fmt.Fprintf(&b, "  %-12s %s\n", label, text) }
	fmt.Fprintf(&b, "linnet %s serves %s\n", w.Version, strings.Join(w.Domains, ", "))
	for _, a := range w.Addresses {
		row(a.Name, fmt.Sprintf("%s (%s)", a.Addr, a.Security))
	}
	row("data", w.Data)
	if w.Fingerprint != "" {
		row("local CA", "SHA-256 "+w.Fingerprint)
		if w.Authority != "" {
			row("", "clients that ask for it find it in "+w.Authority)
		}
	}
	switch {
	case w.Password != "":
		row("first admin", w.Admin)
		row("password", w.Password+"   (shown this once; valid until you change it)")
	case w.Admin != "":
		row("admin", w.Admin)
		row("", "forgot the password? "+w.Ctl+" user password "+w.Admin)
	}
	row("control", w.Ctl+" help")
	for i, command := range w.Message {
		label := ""
		if i == 0 {
			label = "say hello"
		}
		row(label, command)
	}
	for _, warning := range w.Warnings {
		row("note", warning)
	}
	return b.String()
}
