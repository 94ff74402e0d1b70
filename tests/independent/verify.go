// Verifies a proof log's files with golang.org/x/mod/sumdb, the Go team's signed notes and Merkle tiles.
//
//	verify LOG VKEY...
//
// LOG is the folder with `checkpoint` in it, the VKEYs are those of the log and of its witnesses. The newest checkpoint
// must be signed by the log and by all the witnesses named. Every tile and bundle that the checkpoint calls for must be
// there, and every one that is there must say what leads to its root; every published checkpoint must be of the same
// tree. What the library lacks and is here: the paths and entry bundles of C2SP tlog-tiles, the text of a checkpoint
// under a name of its own, and cosignature/v1.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height      = 8
	width       = 1 << height
	cosignature = 4
	provedEach  = 61
)

// A witness verifies cosignature/v1: eight bytes of time, and an Ed25519 signature over time and text.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (w *witness) Name() string    { return w.name }
func (w *witness) KeyHash() uint32 { return w.hash }

func (w *witness) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(signature), text)
	return ed25519.Verify(w.key, []byte(signed), signature[8:])
}

// The keys named: those of the log, and those of its witnesses.
func keys(vkeys []string) (logs, witnesses []note.Verifier) {
	for _, vkey := range vkeys {
		words := strings.SplitN(vkey, "+", 3)
		if len(words) != 3 {
			refuse("no verifier key: %s", vkey)
		}
		key, err := base64.StdEncoding.DecodeString(words[2])
		must(err)
		if len(key) == 1+ed25519.PublicKeySize && key[0] == cosignature {
			id := sha256.Sum256(append([]byte(words[0]+"\n"), key...))
			if fmt.Sprintf("%x", id[:4]) != words[1] {
				refuse("the key ID of %s is not that of its key", words[0])
			}
			witnesses = append(witnesses, &witness{words[0], binary.BigEndian.Uint32(id[:]), key[1:]})
			continue
		}
		verifier, err := note.NewVerifier(vkey)
		must(err)
		logs = append(logs, verifier)
	}
	return logs, witnesses
}

// A log is a folder of files, and the newest tree that they are held against.
type log struct {
	folder string
	tree   tlog.Tree
	read   map[tlog.Tile][]byte
}

func (l *log) Height() int                      { return height }
func (l *log) SaveTiles([]tlog.Tile, [][]byte)  {}
func (l *log) reader() tlog.HashReader          { return tlog.TileHashReader(l.tree, l) }
func (l *log) file(path string) ([]byte, error) { return os.ReadFile(filepath.Join(l.folder, path)) }

func (l *log) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	found := make([][]byte, len(tiles))
	for i, tile := range tiles {
		if l.read[tile] == nil {
			data, err := l.file(pathOf(tile))
			if err != nil {
				return nil, err
			}
			l.read[tile] = data
		}
		found[i] = l.read[tile]
	}
	return found, nil
}

// The path in tlog-tiles has no height, and calls level -1 entries.
func pathOf(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	return "tile/" + strings.Replace(path, "data/", "entries/", 1)
}

func tileAt(path string) tlog.Tile {
	path = strings.TrimPrefix(path, "tile/")
	tile, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", height, strings.Replace(path, "entries/", "data/", 1)))
	must(err)
	return tile
}

func opened(data []byte, known []note.Verifier, origin string) (tlog.Tree, map[string]bool) {
	open, err := note.Open(data, note.VerifierList(known...))
	must(err)
	lines := strings.Split(open.Text, "\n")
	if len(lines) != 4 || lines[0] != origin {
		refuse("a checkpoint that is not one of %s", origin)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	if size < 0 || lines[1] != strconv.FormatInt(size, 10) {
		refuse("a checkpoint with a size of %q", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	must(err)
	signers := map[string]bool{}
	for _, signature := range open.Sigs {
		signers[signature.Name] = true
	}
	if !signers[origin] {
		refuse("a checkpoint that %s did not sign", origin)
	}
	return tlog.Tree{N: size, Hash: root}, signers
}

// The notes in a file of a day: a blank line after each text, and one between two notes.
func notesIn(day []byte) [][]byte {
	var notes [][]byte
	paragraphs := bytes.Split(bytes.TrimSuffix(day, []byte("\n")), []byte("\n\n"))
	for len(paragraphs) > 1 {
		notes = append(notes, append(bytes.Join(paragraphs[:2], []byte("\n\n")), '\n'))
		paragraphs = paragraphs[2:]
	}
	if len(paragraphs) != 0 {
		refuse("a day's file that does not end with a note")
	}
	return notes
}

func (l *log) mustHave(path string) {
	if _, err := l.file(path); err != nil {
		refuse("%s is missing", path)
	}
}

// Whatever the size calls for is there.
func (l *log) complete() {
	for level := 0; l.tree.N>>(height*level) > 0; level++ {
		hashes := l.tree.N >> (height * level)
		for n := int64(0); n*width < hashes; n++ {
			tile := tlog.Tile{H: height, L: level, N: n, W: width}
			if hashes-n*width < width {
				tile.W = int(hashes - n*width)
			}
			l.mustHave(pathOf(tile))
			if level == 0 {
				tile.L = -1
				l.mustHave(pathOf(tile))
			}
		}
	}
}

// Whatever is there says what the root says. Returns how many tiles, bundles and inclusion proofs were right.
func (l *log) sound() (tiles, bundles, proofs int) {
	must(filepath.Walk(filepath.Join(l.folder, "tile"), func(file string, info os.FileInfo, err error) error {
		must(err)
		if info.IsDir() {
			return nil
		}
		path, err := filepath.Rel(l.folder, file)
		must(err)
		tile := tileAt(filepath.ToSlash(path))
		data, err := l.file(path)
		must(err)
		if tile.L < 0 {
			bundles++
			proofs += l.bundle(path, tile, data)
			return nil
		}
		tiles++
		hashes, err := tlog.ReadTileData(tile, l.reader())
		must(err)
		if !bytes.Equal(hashes, data) {
			refuse("%s does not lead to the root", path)
		}
		return nil
	}))
	return tiles, bundles, proofs
}

func (l *log) bundle(path string, tile tlog.Tile, data []byte) (proofs int) {
	first := tile.N * width
	indexes := make([]int64, tile.W)
	for i := range indexes {
		indexes[i] = tlog.StoredHashIndex(0, first+int64(i))
	}
	hashes, err := l.reader().ReadHashes(indexes)
	must(err)
	for i, expected := range hashes {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			refuse("%s ends within entry %d", path, i)
		}
		length := 2 + int(binary.BigEndian.Uint16(data))
		if tlog.RecordHash(data[2:length]) != expected {
			refuse("%s has an entry at %d that is not the tree's", path, i)
		}
		if index := first + int64(i); index%provedEach == 0 || index == l.tree.N-1 {
			proof, err := tlog.ProveRecord(l.tree.N, index, l.reader())
			must(err)
			must(tlog.CheckRecord(proof, l.tree.N, l.tree.Hash, index, tlog.RecordHash(data[2:length])))
			proofs++
		}
		data = data[length:]
	}
	if len(data) != 0 {
		refuse("%s goes on after its last entry", path)
	}
	return proofs
}

func (l *log) beginsWith(tree tlog.Tree) {
	if tree.N == 0 {
		if tree.Hash != tlog.Hash(sha256.Sum256(nil)) {
			refuse("a checkpoint of nothing with the root of something")
		}
		return
	}
	proof, err := tlog.ProveTree(l.tree.N, tree.N, l.reader())
	must(err)
	must(tlog.CheckTree(proof, l.tree.N, l.tree.Hash, tree.N, tree.Hash))
}

// Every published checkpoint is of this tree, in order, and the newest is the last. Returns how many there are.
func (l *log) history(known []note.Verifier, origin string, newest []byte) (checkpoints int) {
	days, err := filepath.Glob(filepath.Join(l.folder, "checkpoints", "????-??-??"))
	must(err)
	sort.Strings(days)
	var size int64
	var last []byte
	for _, day := range days {
		data, err := os.ReadFile(day)
		must(err)
		for _, last = range notesIn(data) {
			tree, _ := opened(last, known, origin)
			if tree.N < size {
				refuse("a checkpoint of %d after one of %d", tree.N, size)
			}
			l.beginsWith(tree)
			size = tree.N
			checkpoints++
		}
	}
	if !bytes.Equal(last, newest) {
		refuse("the newest checkpoint is not the last of all days")
	}
	return checkpoints
}

func main() {
	if len(os.Args) < 3 {
		refuse("usage: verify LOG VKEY...")
	}
	logs, witnesses := keys(os.Args[2:])
	if len(logs) == 0 {
		refuse("none of the keys is a log's")
	}
	origin := logs[0].Name()
	known := append(logs, witnesses...)
	l := &log{folder: os.Args[1], read: map[tlog.Tile][]byte{}}
	newest, err := l.file("checkpoint")
	must(err)
	tree, signers := opened(newest, known, origin)
	for _, one := range witnesses {
		if !signers[one.Name()] {
			refuse("%s did not cosign the newest checkpoint", one.Name())
		}
	}
	l.tree = tree
	tiles, bundles, proofs := 0, 0, 0
	if tree.N > 0 {
		l.complete()
		tiles, bundles, proofs = l.sound()
	}
	checkpoints := l.history(known, origin, newest)
	fmt.Printf("entries %d tiles %d bundles %d proofs %d checkpoints %d cosignatures %d\n",
		tree.N, tiles, bundles, proofs, checkpoints, len(witnesses))
}

func must(err error) {
	if err != nil {
		refuse("%v", err)
	}
}

func refuse(format string, words ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", words...)
	os.Exit(1)
}
