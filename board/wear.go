package board

import "strings"

// Wear is how much of the life of a flash chip is gone.
type Wear struct {
	Device string // "mmcblk0", "ubi0"
	Model  string
	// Used is how much of its life is gone by its own account, in percent, rounded up to what it distinguishes (an
	// eMMC: tens; 100 and more is past its end). -1 where it does not tell.
	Used int
	// Worn is the chip's own warning: reserved blocks are used up to 80 % (1), to 90 % (2).
	Worn int
	// Erased is how often the block that was erased most often was, of NAND under UBI; Bad how many blocks are not
	// used any more, Reserved how many are left to replace others.
	Erased, Bad, Reserved int64
}

// Wear reads the state of each eMMC chip (JEDEC 84-B51, 5.0 and later) and of each NAND chip that UBI manages.
func (b *Board) Wear() []Wear {
	var list []Wear
	for _, name := range b.root.Names("sys/block") {
		dir := "sys/block/" + name + "/device/"
		// "0x02 0x01": for the two kinds of cells, tenths of its life that have begun; 0x00 is not defined.
		life := strings.Fields(b.root.Text(dir + "life_time"))
		if !strings.HasPrefix(name, "mmcblk") || strings.Contains(name, "boot") || len(life) == 0 {
			continue
		}
		w := Wear{Device: name, Model: b.root.Text(dir + "name"), Used: -1}
		for _, word := range life {
			if n := hexadecimal(strings.TrimPrefix(word, "0x")); n > 0 {
				w.Used = max(w.Used, n*10)
			}
		}
		if n := hexadecimal(strings.TrimPrefix(b.root.Text(dir+"pre_eol_info"), "0x")); n > 1 && n <= 3 {
			w.Worn = n - 1
		}
		list = append(list, w)
	}
	for _, name := range b.root.Names("sys/class/ubi") {
		dir := "sys/class/ubi/" + name + "/"
		erased, ok := b.root.Int(dir + "max_ec")
		if !ok {
			continue // a volume, or the file "version"
		}
		w := Wear{Device: name, Used: -1, Erased: erased}
		w.Bad, _ = b.root.Int(dir + "bad_peb_count")
		w.Reserved, _ = b.root.Int(dir + "reserved_for_bad")
		if mtd := b.root.Text(dir + "mtd_num"); mtd != "" {
			w.Model = b.root.Text("sys/class/mtd/mtd" + mtd + "/name")
		}
		list = append(list, w)
	}
	return list
}
