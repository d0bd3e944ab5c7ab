/// One TCP connection to the echo server: what came, what is to go out, and whether it is over. No socket, no clock.
struct Conversation {
    /// What every answer says about the two ends.
    private let ends: Answer
    private var input: [UInt8] = []
    private var httpRequest: String?
    private(set) var output: [UInt8] = []
    /// Nothing more will be said: once the output is out, the connection is half-closed and read to its end.
    private(set) var isOver = false

    /// More than a line or a request's head needs.
    private static let limit = 16 << 10

    init(_ ends: Answer) { self.ends = ends }

    mutating func receive(_ bytes: some Sequence<UInt8>) {
        guard !isOver else { return }
        input += bytes
        while !isOver, let end = input.firstIndex(of: UInt8(ascii: "\n")) {
            let line = input[..<end].last == UInt8(ascii: "\r") ? input[..<(end - 1)] : input[..<end]
            let text = String(decoding: line, as: UTF8.self)
            input.removeSubrange(...end)
            take(text)
        }
        if input.count > Self.limit { isOver = true }
    }

    /// The other side says no more: what it left without an end of line is a line too.
    mutating func end() {
        if !isOver, httpRequest == nil, !input.isEmpty { take(String(decoding: input, as: UTF8.self)) }
        input = []
        isOver = true
    }

    mutating func sent(_ count: Int) { output.removeFirst(count) }

    private mutating func take(_ line: String) {
        if let request = httpRequest {
            // The head ends with an empty line; its fields do not matter to us.
            guard line.isEmpty else { return }
            output += Self.response(ends.text("http", request), to: request)
            isOver = true
        } else if Self.isHTTP(line) {
            httpRequest = line
        } else {
            output += ends.text("tcp", line).utf8
            // One that only sends must not fill our memory.
            if output.count > Self.limit { isOver = true }
        }
    }

    private static func isHTTP(_ line: String) -> Bool {
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        return words.count == 3 && (words[2] == "HTTP/1.1" || words[2] == "HTTP/1.0") && !words[0].isEmpty
    }

    private static func response(_ body: String, to request: String) -> [UInt8] {
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n"
        return Array(head.utf8) + (request.hasPrefix("HEAD ") ? [] : Array(body.utf8))
    }
}

/// Who answers whom.
struct Answer {
    var pod: String
    var node: String
    var client: Endpoint
    var local: Endpoint

    /// One line; what was asked comes last, cut and with control characters shown, so that a line stays a line.
    func text(_ transport: String, _ request: String) -> String {
        var shown = ""
        for scalar in request.unicodeScalars.prefix(1024) {
            if scalar.value < 0x20 || scalar.value == 0x7F {
                shown += "\\x\(scalar.value < 0x10 ? "0" : "")\(String(scalar.value, radix: 16))"
            } else {
                shown.unicodeScalars.append(scalar)
            }
        }
        return "pod=\(pod) node=\(node) protocol=\(transport) client=\(client) local=\(local) request=\(shown)\n"
    }
}
