package board

import (
	"strings"

	"linnet/board/sysfs"
)

// Ticks are the counters of one processor in /proc/stat: where its time went, in hundredths of a second (USER_HZ,
// which is 100 on all machines that Go runs on). Steal is time that went to other guests.
type Ticks struct{ User, Nice, System, Idle, Wait, Interrupt, SoftInterrupt, Steal uint64 }

// Busy returns the time in which the processor did something, Total all of its time.
func (t Ticks) Busy() uint64 {
	return t.User + t.Nice + t.System + t.Interrupt + t.SoftInterrupt + t.Steal
}

// Total returns all of the time. Waiting for a disk is idling.
func (t Ticks) Total() uint64 { return t.Busy() + t.Idle + t.Wait }

// Processors is what the kernel counts about running programs.
type Processors struct {
	All        Ticks   // the sum
	Each       []Ticks // by number; one that is switched off is zero
	Interrupts uint64
	Switches   uint64 // of contexts
	SwapIn     uint64 // pages
	SwapOut    uint64
	PageIn     uint64 // kilobytes read from block devices
	PageOut    uint64
}

// maxProcessors bounds what a strange kernel can make us hold.
const maxProcessors = 256

// Processors reads where the time of the processors went.
func (b *Board) Processors() (Processors, error) {
	var p Processors
	found := false
	b.root.Fields("proc/stat", func(words []string) bool {
		number, isCPU := strings.CutPrefix(words[0], "cpu")
		switch {
		case isCPU && number == "":
			p.All, found = ticks(words[1:]), true
		case isCPU:
			n := int(sysfs.Uint(number))
			for n < maxProcessors && len(p.Each) <= n {
				p.Each = append(p.Each, Ticks{})
			}
			if n < len(p.Each) {
				p.Each[n] = ticks(words[1:])
			}
		case len(words) < 2:
		case words[0] == "intr":
			p.Interrupts = sysfs.Uint(words[1])
		case words[0] == "ctxt":
			p.Switches = sysfs.Uint(words[1])
		}
		return true
	})
	if !found {
		return p, errNothing
	}
	b.root.Fields("proc/vmstat", func(words []string) bool {
		if len(words) == 2 {
			switch words[0] {
			case "pswpin":
				p.SwapIn = sysfs.Uint(words[1])
			case "pswpout":
				p.SwapOut = sysfs.Uint(words[1])
			case "pgpgin":
				p.PageIn = sysfs.Uint(words[1])
			case "pgpgout":
				p.PageOut = sysfs.Uint(words[1])
			}
		}
		return true
	})
	return p, nil
}

func ticks(words []string) Ticks {
	var n [8]uint64
	for i := range min(len(n), len(words)) {
		n[i] = sysfs.Uint(words[i])
	}
	return Ticks{n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7]}
}

// Model reads what processor it is: "MediaTek MT7628AN ver:1 eco:2", "ARMv7 Processor rev 5 (v7l)".
func (b *Board) Model() string {
	best, rank := "", 0
	text, _ := b.root.Read("proc/cpuinfo")
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		n := 0
		switch strings.TrimSpace(key) {
		case "model name", "uarch": // x86, ARM; RISC-V
			n = 3
		case "system type": // MIPS: the chip, while "cpu model" is the core in it
			n = 2
		case "cpu model", "Hardware":
			n = 1
		}
		if n > rank {
			best, rank = strings.TrimSpace(value), n
		}
	}
	return best
}
