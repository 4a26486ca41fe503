package xmlstream_test

import (
	"fmt"

	"linnet/netsvc/wire/xmlstream"
)

// A reader's loop: what arrived is scanned until more is needed.
func ExampleScanner() {
	var s xmlstream.Scanner
	pieces := []string{
		"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/str",
		"eams' to='example.net'><message to='romeo@example.net'><bo",
		"dy>Wherefore art thou?</body></message> </stream:stream>",
	}
	var buf []byte
	for _, piece := range pieces {
		buf = append(buf, piece...)
		for {
			event, n, err := s.Scan(buf)
			if err != nil {
				fmt.Println(err)
				return
			}
			if event == xmlstream.EventMore {
				break
			}
			switch event {
			case xmlstream.EventHeader:
				fmt.Println("stream to", s.Header().To)
			case xmlstream.EventElement:
				fmt.Printf("%s to %s\n", s.Element().Local(), s.Element().Attr("to"))
			case xmlstream.EventFooter:
				fmt.Println("end")
			}
			buf = buf[n:]
		}
	}
	// Output:
	// stream to example.net
	// message to romeo@example.net
	// end
}

func ExampleWriter() {
	w := xmlstream.NewWriter("jabber:client")
	w.Start("jabber:iq:version", "query")
	w.Leaf("", "name", "linnet").Leaf("", "version", "<1>")
	w.End()
	fmt.Printf("%s\n", w.Bytes())
	// Output: <query xmlns='jabber:iq:version'><name>linnet</name><version>&lt;1&gt;</version></query>
}

func ExampleNode() {
	n, err := xmlstream.Parse([]byte("<query xmlns='jabber:iq:roster'><item jid='nurse@example.com'><group>Servants</group></item></query>"), "jabber:client")
	if err != nil {
		fmt.Println(err)
	}
	item := n.Child("jabber:iq:roster", "item")
	fmt.Println(item.Attr("jid"), item.ChildText("jabber:iq:roster", "group"))
	fmt.Printf("%q\n", n.Child("jabber:iq:roster", "no such").Attr("jid"))
	// Output:
	// nurse@example.com Servants
	// ""
}
