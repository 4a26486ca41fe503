package natlab

import (
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/xdg-go/scram"
)

// User is somebody with an account, logged in from a host. Its methods are for one goroutine.
type User struct {
	JID  string // the full address
	host *Space
	conn *tls.Conn
	xml  *xml.Decoder
	ids  int
}

// element is any element; only what the users here look at.
type element struct {
	XMLName  xml.Name
	Type     string    `xml:"type,attr"`
	JID      string    `xml:"jid,attr"`
	Host     string    `xml:"host,attr"`
	Port     uint16    `xml:"port,attr"`
	Over     string    `xml:"transport,attr"`
	Username string    `xml:"username,attr"`
	Password string    `xml:"password,attr"`
	Text     string    `xml:",chardata"`
	Kids     []element `xml:",any"`
}

// Login makes the account name at the node and logs in from the host s, over TLS at a place where the node is
// reached.
func (n *Node) Login(s *Space, name string, at netip.AddrPort) *User {
	s.lab.t.Helper()
	n.Ctl("user", "add", name+"@example.org", "-password", "a password of "+name)
	u, err := n.login(s, name, at)
	if err != nil {
		s.lab.t.Fatalf("%s at %v: %v", name, at, err)
	}
	return u
}

func (n *Node) login(s *Space, name string, at netip.AddrPort) (*User, error) {
	ca, err := os.ReadFile(filepath.Join(n.dir, "data", "local-ca.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	tcp, err := s.TCP(at)
	if err != nil {
		return nil, err
	}
	u := &User{host: s, conn: tls.Client(tcp, &tls.Config{RootCAs: roots, ServerName: "example.org", NextProtos: []string{"xmpp-client"}})}
	_ = u.conn.SetDeadline(time.Now().Add(2 * time.Minute))
	if err := u.open(); err != nil {
		return nil, err
	}
	if err := u.authenticate(name, "a password of "+name); err != nil {
		return nil, err
	}
	if err := u.open(); err != nil {
		return nil, err
	}
	bound, err := u.Ask("example.org", "set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")
	if err != nil || len(bound.Kids) != 1 {
		return nil, fmt.Errorf("bound to %+v: %w", bound, err)
	}
	u.JID = bound.Kids[0].Text
	return u, nil
}

func (u *User) send(text string) error {
	_, err := io.WriteString(u.conn, text)
	return err
}

// open begins a stream and takes the features that are offered.
func (u *User) open() error {
	u.xml = xml.NewDecoder(u.conn)
	err := u.send("<?xml version='1.0'?><stream:stream to='example.org' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
	if err != nil {
		return err
	}
	for {
		token, err := u.xml.Token()
		if err != nil {
			return err
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "stream" {
			break
		}
	}
	_, err = u.next()
	return err
}

// next takes the next element of the stream.
func (u *User) next() (e element, err error) {
	return e, u.xml.Decode(&e)
}

func (u *User) authenticate(name, password string) error {
	client, err := scram.SHA256.NewClient(name, password, "")
	if err != nil {
		return err
	}
	talk := client.NewConversation()
	first, err := talk.Step("")
	if err != nil {
		return err
	}
	err = u.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>" + base64.StdEncoding.EncodeToString([]byte(first)) + "</auth>")
	for err == nil {
		var e element
		if e, err = u.next(); err != nil {
			break
		}
		text, derr := base64.StdEncoding.DecodeString(e.Text)
		if e.XMLName.Local == "failure" || derr != nil {
			return fmt.Errorf("login refused: %+v", e)
		}
		answer, serr := talk.Step(string(text))
		if serr != nil {
			return serr
		}
		if e.XMLName.Local == "success" {
			return nil
		}
		err = u.send("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + base64.StdEncoding.EncodeToString([]byte(answer)) + "</response>")
	}
	return err
}

// Ask sends a request and takes the answer's payload; other stanzas are passed over.
func (u *User) Ask(to, kind, payload string) (element, error) {
	u.ids++
	if err := u.send(fmt.Sprintf("<iq type='%s' id='q%d' to='%s'>%s</iq>", kind, u.ids, to, payload)); err != nil {
		return element{}, err
	}
	for {
		e, err := u.next()
		if err != nil {
			return e, err
		}
		if e.XMLName.Local == "iq" && e.Type == "error" {
			return e, fmt.Errorf("refused: %+v", e)
		}
		if e.XMLName.Local == "iq" && e.Type == "result" {
			return append(e.Kids, element{})[0], nil
		}
	}
}

// Relay is a TURN server with a user's credentials for it, and the STUN server beside it.
type Relay struct {
	At, Stun           netip.AddrPort
	Username, Password string
}

// Services asks for TURN over UDP: External Service Discovery, XEP-0215.
func (u *User) Services() (r Relay, err error) {
	e, err := u.Ask("example.org", "get", "<services xmlns='urn:xmpp:extdisco:2'/>")
	if err != nil {
		return r, err
	}
	for _, s := range e.Kids {
		host, herr := netip.ParseAddr(s.Host)
		if herr != nil || !host.Is4() || s.Over != "udp" {
			continue
		}
		switch at := netip.AddrPortFrom(host, s.Port); s.Type {
		case "stun":
			r.Stun = at
		case "turn":
			r.At, r.Username, r.Password = at, s.Username, s.Password
		}
	}
	if !r.At.IsValid() || !r.Stun.IsValid() || r.Password == "" {
		return r, errors.New("no TURN or STUN over UDP is offered, or no credentials")
	}
	return r, nil
}

// Proxies asks the node for its proxy for files, and that one for where it is: SOCKS5 Bytestreams, XEP-0065.
func (u *User) Proxies() (service string, hosts []netip.AddrPort, err error) {
	items, err := u.Ask("example.org", "get", "<query xmlns='http://jabber.org/protocol/disco#items'/>")
	if err != nil {
		return "", nil, err
	}
	for _, item := range items.Kids {
		info, err := u.Ask(item.JID, "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>")
		if err != nil {
			continue
		}
		for _, k := range info.Kids {
			if k.XMLName.Local == "identity" && k.Type == "bytestreams" {
				service = item.JID
			}
		}
	}
	answer, err := u.Ask(service, "get", "<query xmlns='"+bytestreams+"'/>")
	for _, k := range answer.Kids {
		if a, aerr := netip.ParseAddr(k.Host); aerr == nil && a.Is4() {
			hosts = append(hosts, netip.AddrPortFrom(a, k.Port))
		}
	}
	return service, hosts, err
}

const bytestreams = "http://jabber.org/protocol/bytestreams"

// Stream connects to a proxy as one party of the transfer that sid and both parties' addresses name.
func (u *User) Stream(at netip.AddrPort, sid, requester, target string) (net.Conn, error) {
	c, err := u.host.TCP(at)
	if err != nil {
		return nil, err
	}
	hash := sha1.Sum([]byte(sid + requester + target))
	name := hex.EncodeToString(hash[:])
	_ = c.SetDeadline(time.Now().Add(3 * time.Minute))
	if _, err := c.Write([]byte{5, 1, 0}); err != nil {
		return nil, err
	}
	answer := make([]byte, 47)
	if _, err := io.ReadFull(c, answer[:2]); err != nil {
		return nil, err
	}
	if _, err := c.Write(append(append([]byte{5, 1, 0, 3, byte(len(name))}, name...), 0, 0)); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(c, answer); err != nil || answer[1] != 0 {
		return nil, fmt.Errorf("the proxy refuses: %x, %w", answer[:2], err)
	}
	return c, nil
}

// Activate has a proxy begin to relay a transfer that this user has requested.
func (u *User) Activate(service, sid, target string) error {
	_, err := u.Ask(service, "set", "<query xmlns='"+bytestreams+"' sid='"+sid+"'><activate>"+target+"</activate></query>")
	return err
}

// Close logs out.
func (u *User) Close() { _ = u.conn.Close() }
