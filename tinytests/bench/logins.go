package main

import (
	"fmt"
	"sync"
	"time"
)

// loginExperiment counts whole sessions per second of the server's CPU time: connect, STARTTLS, SCRAM, bind, close.
func loginExperiment(b *bench, s server) ([]float64, error) {
	p, _, err := b.start(s, 2*pairCount, true)
	if err != nil {
		return nil, err
	}
	defer b.end(p)
	how := login{server: p.at, tls: true, ring: &b.ring}
	// The first round derives each account's keys and warms the server up.
	if _, _, err := how.rush(2*pairCount, func(done int) bool { return done >= 2*pairCount }); err != nil {
		return nil, err
	}
	before, err := p.cpu()
	if err != nil {
		return nil, err
	}
	begin, load := time.Now(), ownCPU()
	count, slowest, err := how.rush(2*pairCount, func(int) bool { return time.Since(begin) > b.window })
	if err != nil {
		return nil, err
	}
	wall, used := time.Since(begin), ownCPU()-load
	after, err := p.cpu()
	busy := after - before
	b.share(fmt.Sprintf("%.0f logins/s, slowest %.0f ms", float64(count)/wall.Seconds(), milliseconds(slowest)), wall, busy, used)
	return []float64{float64(count) / busy.Seconds()}, err
}

// rush logs accounts in and out, some at once, until enough says so of the number begun. It returns how many sessions there
// were, and how long the slowest took.
func (l login) rush(accounts int, enough func(begun int) bool) (done int, slowest time.Duration, err error) {
	const atOnce = 64 // enough for a server whose answers wait for delayed acknowledgements of TCP
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		begun int
	)
	for range atOnce {
		group.Go(func() {
			for {
				mu.Lock()
				if err != nil || enough(begun) {
					mu.Unlock()
					return
				}
				account := accountName(begun % accounts)
				begun++
				mu.Unlock()
				since := time.Now()
				c, failed := l.connect(account)
				if failed == nil {
					failed = c.leave()
				}
				mu.Lock()
				if failed == nil {
					done++
					slowest = max(slowest, time.Since(since))
				} else if err == nil {
					err = failed
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return done, slowest, err
}
