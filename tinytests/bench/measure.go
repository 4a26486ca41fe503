package main

import (
	"bytes"
	"fmt"
	"time"
)

// chatKind says which chat figure is measured.
type chatKind struct{ tls, managed, archive bool }

// chatExperiment saturates the server with chat and counts messages per second of its CPU time.
func chatExperiment(kind chatKind) func(*bench, server) ([]float64, error) {
	return func(b *bench, s server) ([]float64, error) {
		p, _, err := b.start(s, 2*pairCount, kind.archive)
		if err != nil {
			return nil, err
		}
		defer b.end(p)
		l, err := b.chatClients(p, kind)
		if err != nil {
			return nil, err
		}
		defer l.close()
		ch := newChat(l)
		if err := ch.saturate(); err != nil {
			return nil, err
		}
		if err := ch.serve(b.warmUp); err != nil {
			return nil, err
		}
		from, err := b.note(p, ch)
		if err != nil {
			return nil, err
		}
		if err := ch.serve(b.window); err != nil {
			return nil, err
		}
		if err := ch.drain(); err != nil {
			return nil, err
		}
		to, err := b.note(p, ch)
		if err != nil {
			return nil, err
		}
		if err := b.checkArchive(s, p, kind.archive); err != nil {
			return nil, err
		}
		messages, wall := float64(to.messages-from.messages), to.at.Sub(from.at)
		busy, load := to.server-from.server, to.load-from.load
		b.share(fmt.Sprintf("%.0f msg/s", messages/wall.Seconds()), wall, busy, load)
		return []float64{messages / busy.Seconds()}, nil
	}
}

// moment is a reading of all counters.
type moment struct {
	at           time.Time
	server, load time.Duration
	messages     uint64
}

func (b *bench) note(p *process, ch *chat) (moment, error) {
	server, err := p.cpu()
	return moment{at: time.Now(), server: server, load: ownCPU(), messages: ch.got}, err
}

// chatClients logs the pairs in.
func (b *bench) chatClients(p *process, kind chatKind) (*loop, error) {
	l, err := newLoop()
	if err != nil {
		return nil, err
	}
	how := login{server: p.at, tls: kind.tls, presence: true, managed: kind.managed, ring: &b.ring}
	if err := l.connectAll(how, 2*pairCount); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// checkArchive asks as one account for its archive: it must hold something when it should, and nothing when it should not.
// So a figure never stands for a configuration that did not do what its row says.
func (b *bench) checkArchive(s server, p *process, on bool) error {
	if s.name() == "floor" {
		return nil
	}
	c, err := login{server: p.at, ring: &b.ring}.connect(accountName(0))
	if err != nil {
		return err
	}
	defer c.wire.Close()
	found := false
	c.message = func(stanza []byte) error {
		found = found || bytes.Contains(stanza, []byte("urn:xmpp:mam:2"))
		return nil
	}
	_, err = c.query("archive", "set", "", "<query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>1</max></set></query>")
	if on && err != nil {
		return err
	}
	if found != on {
		return fmt.Errorf("the archive should be on: %v; it holds messages: %v", on, found)
	}
	return c.wire.Close()
}

// pacedExperiment sends a moderate, fixed rate and looks at the latencies.
func pacedExperiment(b *bench, s server) ([]float64, error) {
	p, _, err := b.start(s, 2*pairCount, false)
	if err != nil {
		return nil, err
	}
	defer b.end(p)
	l, err := b.chatClients(p, chatKind{})
	if err != nil {
		return nil, err
	}
	defer l.close()
	ch := newChat(l)
	if err := ch.pace(time.Millisecond); err != nil {
		return nil, err
	}
	if err := ch.serve(b.warmUp); err != nil {
		return nil, err
	}
	ch.latency = ch.latency[:0]
	if err := ch.serve(b.paced); err != nil {
		return nil, err
	}
	if err := ch.drain(); err != nil {
		return nil, err
	}
	sorted := ch.sortedLatency()
	b.remark("%d messages, slowest %.2f ms", len(sorted), milliseconds(percentile(sorted, 100)))
	return []float64{milliseconds(percentile(sorted, 50)), milliseconds(percentile(sorted, 99))}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// clientExperiment measures what an idle client adds to the server's resident memory.
func clientExperiment(secure bool) func(*bench, server) ([]float64, error) {
	return func(b *bench, s server) ([]float64, error) {
		p, _, err := b.start(s, b.clients, true)
		if err != nil {
			return nil, err
		}
		defer b.end(p)
		time.Sleep(b.settle)
		before, err := p.rss()
		if err != nil {
			return nil, err
		}
		l, err := newLoop()
		if err != nil {
			return nil, err
		}
		defer l.close()
		how := login{server: p.at, tls: secure, presence: true, managed: true, ring: &b.ring}
		if err := l.connectAll(how, b.clients); err != nil {
			return nil, err
		}
		if err := l.until(time.Now().Add(b.idle), never); err != nil {
			return nil, err
		}
		after, err := p.rss()
		if err != nil {
			return nil, err
		}
		b.remark("%d clients, server %.1f MB before, %.1f MB after", b.clients, float64(before)/1e6, float64(after)/1e6)
		return []float64{float64(after-before) / float64(b.clients) / 1e3}, nil
	}
}

// idleExperiment measures a server that nobody has logged in to, with everything on.
func idleExperiment(b *bench, s server) ([]float64, error) {
	p, _, err := b.start(s, 2*pairCount, true)
	if err != nil {
		return nil, err
	}
	defer b.end(p)
	time.Sleep(b.settle)
	bytes, err := p.rss()
	return []float64{float64(bytes) / 1e6}, err
}

// databaseSize is what the start figure's data directory holds at least.
const databaseSize = 10_000_000

// startExperiment measures the time from exec to the first stream features, over an archive of 10 MB, cleanly closed.
func startExperiment(b *bench, s server) ([]float64, error) {
	data, err := b.filled(s)
	if err != nil {
		return nil, err
	}
	var times []float64
	for range 3 {
		p, err := b.startIn(s, data, true)
		if err != nil {
			return nil, err
		}
		times = append(times, milliseconds(p.started))
		time.Sleep(time.Second) // a server that is asked to end while it still starts may not listen
		if err := p.stop(); err != nil {
			return nil, err
		}
	}
	b.remark("data directory of %.1f MB", float64(diskUse(data))/1e6)
	return []float64{median(times)}, nil
}

// filled returns a data directory with a full archive; it is made once per server and then kept.
func (b *bench) filled(s server) (string, error) {
	if data, ok := b.filledData[s.name()]; ok {
		return data, nil
	}
	p, data, err := b.start(s, 2*pairCount, true)
	if err != nil {
		return "", err
	}
	defer b.end(p)
	l, err := b.chatClients(p, chatKind{managed: true})
	if err != nil {
		return "", err
	}
	defer l.close()
	ch := newChat(l)
	if err := ch.saturate(); err != nil {
		return "", err
	}
	empty := diskUse(data)
	for deadline := time.Now().Add(2 * time.Minute); ; {
		// A file may be allocated ahead of its content, so the messages are counted too: two copies of each, of some 400 bytes.
		if diskUse(data)-empty >= databaseSize && ch.got >= databaseSize/2/400 {
			break
		}
		if time.Now().After(deadline) {
			return "", fmt.Errorf("the archive does not grow to %d bytes: %d are used", databaseSize, diskUse(data))
		}
		if err := ch.serve(20 * time.Millisecond); err != nil {
			return "", err
		}
	}
	if err := ch.drain(); err != nil {
		return "", err
	}
	p.data = "" // it stays
	b.filledData[s.name()] = data
	return data, nil
}
