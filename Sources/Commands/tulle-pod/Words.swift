import Glibc

/// The words of a command line, taken one by one.
struct Words {
    private var words: ArraySlice<String>
    /// The subcommand whose words these are; `nil` before it is known.
    private(set) var topic: Help.Topic?

    init(_ words: ArraySlice<String>) { self.words = words }

    /// The subcommand; `nil` when it is none, and then nothing was taken.
    mutating func subcommand() -> Help.Topic? {
        topic = words.first.flatMap(Help.Topic.init)
        if topic != nil { words.removeFirst() }
        return topic
    }

    /// The next word; asked for help where an option may stand, a subcommand does nothing else.
    mutating func next() throws(Refusal) -> String? {
        let word = words.popFirst()
        if let topic, word == "--help" || word == "-h" { throw .help(Help.text(of: topic)) }
        return word
    }

    /// The word after an option.
    mutating func value(of option: String) throws(Refusal) -> String {
        guard let value = words.popFirst() else { throw .usage("\(option) needs a value") }
        return value
    }

    /// A number after an option.
    mutating func number<N: FixedWidthInteger>(of option: String, _ range: ClosedRange<N>) throws(Refusal) -> N {
        let text = try value(of: option)
        guard let number = N(text), range.contains(number) else {
            throw .usage("\(option) “\(text)” is no number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// All that is left.
    mutating func rest() -> [String] {
        defer { words = [] }
        return Array(words)
    }
}

/// Why we end without having done what was asked.
struct Refusal: Error, CustomStringConvertible {
    var status: Int32
    var description: String

    /// EX_USAGE. Where help is to be found is said at the top.
    static func usage(_ text: String) -> Refusal { Refusal(status: usageStatus, description: text) }
    static let usageStatus: Int32 = 64

    /// Help in place of what the other words would have done.
    static func help(_ text: String) -> Refusal { Refusal(status: 0, description: text) }

    /// With the `errno` of the call that just returned.
    static func last(_ attempt: String, status: Int32 = 1) -> Refusal { of(errno, attempt, status: status) }

    static func of(_ error: Int32, _ attempt: String, status: Int32 = 1) -> Refusal {
        Refusal(status: status, description: "\(attempt): \(words(of: error))")
    }

    static func words(of error: Int32) -> String {
        // Safe to read at once: this process has one thread.
        strerror(error).map { String(cString: $0) } ?? "errno \(error)"
    }
}

/// Writes all bytes; false when nobody reads them any more.
@discardableResult
func write(_ bytes: [UInt8], to file: Int32) -> Bool {
    var offset = 0
    while offset < bytes.count {
        let written = bytes[offset...].withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        if written < 0, errno == EINTR { continue }
        guard written > 0 else { return false }
        offset += written
    }
    return true
}

func say(_ text: String) -> Int32 { write(Array(text.utf8), to: STDOUT_FILENO) ? 0 : 1 }
