package main

import (
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
	if _, err := how.rush(2*pairCount, func(done int) bool { return done >= 2*pairCount }); err != nil {
		return nil, err
	}
	before, err := p.cpu()
	if err != nil {
		return nil, err
	}
	begin, load := time.Now(), ownCPU()
	count, err := how.rush(2*pairCount, func(int) bool { return time.Since(begin) > b.window })
	if err != nil {
		return nil, err
	}
	wall := time.Since(begin).Seconds()
	after, err := p.cpu()
	busy := (after - before).Seconds()
	b.remark("%.0f logins/s, server %.0f %% busy, load %.0f %%", float64(count)/wall, 100*busy/wall, 100*(ownCPU()-load).Seconds()/wall)
	return []float64{float64(count) / busy}, err
}

// rush logs accounts in and out, some at once, until enough says so of the number done.
func (l login) rush(accounts int, enough func(done int) bool) (int, error) {
	const atOnce = 64 // enough for a server whose answers wait for delayed acknowledgements of TCP
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		begun int
		done  int
		first error
	)
	for range atOnce {
		group.Go(func() {
			for {
				mu.Lock()
				if first != nil || enough(begun) {
					mu.Unlock()
					return
				}
				account := accountName(begun % accounts)
				begun++
				mu.Unlock()
				c, err := l.connect(account)
				if err == nil {
					err = c.leave()
				}
				mu.Lock()
				if err == nil {
					done++
				} else if first == nil {
					first = err
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return done, first
}
