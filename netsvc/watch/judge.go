package watch

import (
	"math"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"linnet/board"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
)

// relief is how many percent a figure must fall below its limit before that counts as over.
const relief = 5

// judge holds figures against their limits. slowly is true when those are due too that change slowly and cost
// more to read. The caller holds mu.
func (l *looker) judge(slowly bool) {
	r, h := &l.current.rules, l.current.host
	l.services(r, h)
	l.memory(r, h)
	l.data(r, h)
	guessed := l.rates.guessed()
	r.force.Judge(guessed, int64(r.logins), int64(r.logins/2), guessed)
	if slowly {
		l.certificates(r, h)
		for _, w := range l.board.Wear() {
			r.old.Judge(int64(w.Used), int64(r.worn), int64(r.worn-relief), w.Device, w.Used)
		}
	}
}

// services tells of those that ran and do not run any more. What was never switched on is not missed.
func (l *looker) services(r *rules, h module.Host) {
	h.ReadMetrics(func(s metric.Sample) bool {
		name := s.Labels[0]
		switch {
		case s.Value > 0:
			l.ran[strings.Clone(name)] = true
			r.down.Clear(name)
		case l.ran[name]:
			r.down.Raise(name)
		}
		return true
	}, "serviceUp")
}

func (l *looker) memory(r *rules, h module.Host) {
	var live, limit int64
	h.ReadMetrics(func(s metric.Sample) bool {
		if s.Desc.Name == "memoryLive" {
			live = s.Value
		} else {
			limit = s.Value
		}
		return true
	}, "memoryLive", "memoryLimit")
	if limit > 0 {
		used := percent(uint64(live), uint64(limit))
		r.scarce.Judge(used, int64(r.memory), int64(r.memory-relief), used)
	}
}

// data looks at the file system with the data, at the bound of the store's file, and at what was written today.
func (l *looker) data(r *rules, h module.Host) {
	limit, clear := int64(r.storage), int64(r.storage-relief)
	if size, free := l.disk(h.Site().Data); size > 0 {
		used := percent(size-free, size)
		r.full.Judge(used, limit, clear, h.Site().Data, used)
	}
	db := h.Store()
	if db == nil {
		return
	}
	if db.Health() != nil {
		r.failing.Raise()
	} else {
		r.failing.Clear()
	}
	stats, most := db.Stats().Main, db.Options().MaxSize
	if most > 0 {
		used := percent(uint64(stats.Size-int64(stats.FreePages)*int64(stats.PageSize)), uint64(most))
		r.full.Judge(used, limit, clear, filepath.Join(h.Site().Data, "linnet.db"), used)
	}
	written := int64(stats.Today.Written)
	if r.budget > 0 {
		r.passed.Judge(written, r.budget, r.budget-1, written>>20)
	} else {
		r.passed.Clear()
	}
}

// certificates warns of those from files in time to get new ones. Those of the local CA renew themselves: they are
// told when that has failed.
func (l *looker) certificates(r *rules, h module.Host) {
	h.ReadMetrics(func(s metric.Sample) bool {
		warn := int64(r.certificate.Seconds())
		if s.Labels[1] == "local" {
			warn = 0
		}
		r.expiring.Judge(s.Value, warn, warn+1, s.Labels[0], s.Value/3600)
		return true
	}, "certTimeLeft")
}

// disk returns the size of a file system and what is free for others than root, in bytes; 0 if it cannot be read.
func disk(path string) (size, free uint64) {
	var s unix.Statfs_t
	if unix.Statfs(path, &s) != nil {
		return 0, 0
	}
	block := uint64(s.Bsize)
	return (s.Blocks - s.Bfree + s.Bavail) * block, s.Bavail * block
}

// percent returns part of whole in hundredths, rounded up: the last percent is told before it is gone.
func percent(part, whole uint64) int64 {
	return int64(math.Ceil(float64(part) * 100 / float64(whole)))
}

// temperatures are the sensors of temperature that work.
func temperatures(b *board.Board) (list []board.Sensor) {
	for _, s := range b.Sensors() {
		if s.Quantity == board.Temperature && s.Working {
			list = append(list, s)
		}
	}
	return list
}
