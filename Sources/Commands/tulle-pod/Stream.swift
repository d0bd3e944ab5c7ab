import Glibc

/// Asks again and again, and counts what is lost: new questions, each over a socket of its own, and over TCP others on one connection
/// that stays open all the time.
struct Stream {
    private let ask: Ask
    private var interval: Int32 = 20
    private var asked = 0
    private var answered = 0
    private var lost = 0
    /// What became of the first that was lost.
    private var first = ""

    init(_ words: inout Words) throws(Refusal) {
        var rest: [String] = []
        while let word = try words.next() {
            if word == "--interval" { interval = try words.number(of: word, 1...60_000) } else { rest.append(word) }
        }
        var left = Words(rest[...])
        ask = try Ask(&left, as: "stream")
    }

    mutating func run() throws(Refusal) -> Int32 {
        // Ends with its figures where they are.
        for number in [SIGTERM, SIGINT] { signal(number) { _ in _exit(0) } }
        signal(SIGPIPE, SIG_IGN)
        var kept: Int32?
        if ask.isStream { attempt { ask throws(Refusal) in kept = try ask.connect() } }
        while true {
            attempt { ask throws(Refusal) in
                let descriptor = try ask.connect()
                defer { close(descriptor) }
                _ = try ask.question(descriptor)
            }
            if let descriptor = kept {
                let before = lost
                attempt { ask throws(Refusal) in _ = try ask.question(descriptor) }
                // A broken one is lost once.
                if lost > before {
                    close(descriptor)
                    kept = nil
                }
            }
            guard tell() else { return 1 }
            poll(nil, 0, interval)
        }
    }

    private mutating func attempt(_ body: (Ask) throws(Refusal) -> Void) {
        asked += 1
        do throws(Refusal) {
            try body(ask)
            answered += 1
        } catch {
            lost += 1
            if first.isEmpty { first = "question \(asked): \(error)" }
        }
    }

    /// At the beginning of the file that standard output is: what stands there is as it is now.
    private func tell() -> Bool {
        let text = Array("asked=\(asked) answered=\(answered) lost=\(lost)\n\(first.isEmpty ? "" : first + "\n")".utf8)
        if text.withUnsafeBytes({ pwrite(STDOUT_FILENO, $0.baseAddress, $0.count, 0) }) == text.count { return true }
        // A pipe or a terminal: a line each time.
        return errno == ESPIPE && write(text, to: STDOUT_FILENO)
    }
}
