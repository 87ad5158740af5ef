// actors.go -- the programs of bench_actors.c with goroutines and channels: actors-go NAME AMOUNT
// prints units of AMOUNT a second, the best of repeats ("idle": bytes of resident memory per goroutine
// with its channel).
//
// An actor is a goroutine that owns the channel it receives from.  Each program has the shape of
// ours: the same actors, windows and messages.  A channel has room for what its protocol may have
// under way.  ping_pong_cross locks its two goroutines to an operating system thread each.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

const (
	repeats = 4
	cores   = 2
	window  = 64
	ring    = 1000
	senders = 100
	fan     = 10
	chunk   = 64   // goroutines begun in one go
	mailbox = 1024 // of whoever many send to
)

type data struct {
	number int64
	answer chan<- struct{} // set in the last one of a window
}

func passOn(inbox <-chan int64, peer chan<- int64, over chan<- struct{}) {
	for n := range inbox {
		if n == 0 {
			over <- struct{}{}
		} else {
			peer <- n - 1
		}
	}
}

func pingPong(n int64, begin func()) {
	over := make(chan struct{})
	a, b := make(chan int64), make(chan int64)
	go func() { begin(); passOn(a, b, over) }()
	go func() { begin(); passOn(b, a, over) }()
	a <- n
	<-over
}

func ringOf(n int64, tokens int) {
	over := make(chan struct{}, tokens)
	inboxes := make([]chan int64, ring)
	for i := range inboxes {
		inboxes[i] = make(chan int64, 1)
	}
	for i := range inboxes {
		go passOn(inboxes[i], inboxes[(i+1)%ring], over)
	}
	for i := 0; i < tokens; i++ {
		inboxes[i*ring/tokens] <- n / int64(tokens)
	}
	for i := 0; i < tokens; i++ {
		<-over
	}
}

func count(inbox <-chan data, n int64, over chan<- struct{}) {
	sum := int64(0)
	for ; n > 0; n-- {
		message := <-inbox
		sum += message.number
		if message.answer != nil {
			message.answer <- struct{}{}
		}
	}
	over <- struct{}{}
}

func sendWindows(n int64, to chan<- data) {
	proceed := make(chan struct{}, 1)
	for {
		for i := 1; i <= window && n > 0; i++ {
			if i == window {
				to <- data{n, proceed}
			} else {
				to <- data{n, nil}
			}
			n--
		}
		if n == 0 {
			return
		}
		<-proceed
	}
}

func fanIn(n int64, from int64) {
	over := make(chan struct{})
	inbox := make(chan data, mailbox)
	each := n / from
	go count(inbox, each*from, over)
	for i := int64(0); i < from; i++ {
		go sendWindows(each, inbox)
	}
	<-over
}

type question struct {
	number int64
	from   chan<- int64
}

func infant(inbox <-chan question) {
	asked := <-inbox
	asked.from <- 1
}

func nurse(n int64, over chan<- struct{}) {
	inbox := make(chan int64, mailbox)
	missing := n
	for n > 0 {
		for i := 0; i < chunk && n > 0; i++ {
			child := make(chan question, 1)
			go infant(child)
			child <- question{n, inbox}
			n--
		}
		for some := true; some; {
			select {
			case answer := <-inbox:
				missing -= answer
			default:
				some = false
			}
		}
	}
	for missing > 0 {
		missing -= <-inbox
	}
	over <- struct{}{}
}

func spawn(n int64) {
	over := make(chan struct{}, cores)
	for i := 0; i < cores; i++ {
		go nurse(n/cores, over)
	}
	for i := 0; i < cores; i++ {
		<-over
	}
}

func grow(n int64, boss chan<- int64) {
	if n == 1 {
		boss <- 1
		return
	}
	inbox := make(chan int64, fan)
	for i := 0; i < fan; i++ {
		go grow(n/fan, inbox)
	}
	sum := int64(0)
	for i := 0; i < fan; i++ {
		sum += <-inbox
	}
	boss <- sum
}

func tree(n int64) {
	inbox := make(chan int64, 1)
	grow(n, inbox)
	if <-inbox != n {
		panic("the tree does not have the leaves that it should")
	}
}

func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		panic(err)
	}
	return pages * int64(os.Getpagesize())
}

func idle(n int64) float64 {
	over := make(chan struct{})
	inboxes := make([]chan int64, n)
	debug.FreeOSMemory()
	before := resident()
	for i := range inboxes {
		inboxes[i] = make(chan int64)
		go passOn(inboxes[i], nil, over)
	}
	debug.FreeOSMemory() // not what its collector would give back
	bytes := float64(resident()-before) / float64(n)
	runtime.KeepAlive(inboxes)
	return bytes
}

func run(name string, n int64) bool {
	switch name {
	case "ping_pong":
		pingPong(n, func() {})
	case "ping_pong_cross":
		pingPong(n, runtime.LockOSThread)
	case "counting":
		fanIn(n, 1)
	case "ring_1000":
		ringOf(n, 1)
	case "ring_1000_100":
		ringOf(n, 100)
	case "fan_in_100":
		fanIn(n, senders)
	case "spawn_100k":
		spawn(n)
	case "tree_1m":
		tree(n)
	default:
		return false
	}
	return true
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println(runtime.Version())
		return
	}
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: actors-go NAME AMOUNT")
		os.Exit(2)
	}
	name := os.Args[1]
	n, err := strconv.ParseInt(os.Args[2], 10, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	runtime.GOMAXPROCS(cores)
	if name == "idle" {
		fmt.Printf("%.1f\n", idle(n))
		return
	}
	best := 0.0
	for i := 0; i < repeats; i++ {
		began := time.Now()
		if !run(name, n) {
			fmt.Fprintln(os.Stderr, "there is no program", name)
			os.Exit(2)
		}
		rate := float64(n) / time.Since(began).Seconds()
		if rate > best {
			best = rate
		}
	}
	fmt.Printf("%.1f\n", best)
}
