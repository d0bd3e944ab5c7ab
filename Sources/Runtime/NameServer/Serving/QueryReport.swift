public import Addressing
public import DNS

/// One query and what became of it, for the query log.
public struct QueryReport: Hashable, Sendable {
    public var client: IPAddress
    /// What ``ClientNames`` calls the client; `nil` when nobody knows it.
    public var clientName: String?
    public var transport: Circumstances.Transport
    public var question: Question
    public var code: ResponseCode
    /// Bytes of the answer.
    public var size: Int
    /// From when the query was read to when the answer was there.
    public var duration: Duration
}

extension QueryReport: CustomStringConvertible {
    /// `shop/web (10.0.1.4) udp example.org. IN A NOERROR 96 0.000 ms`
    public var description: String {
        let who = clientName.map { "\($0) (\(client))" } ?? "\(client)"
        let (seconds, attoseconds) = duration.components
        let microseconds = seconds * 1_000_000 + attoseconds / 1_000_000_000_000
        let part = String(microseconds % 1000)
        let time = "\(microseconds / 1000).\(String(repeating: "0", count: 3 - part.count))\(part) ms"
        return "\(who) \(transport == .udp ? "udp" : "tcp") \(question) \(code) \(size) \(time)"
    }
}
