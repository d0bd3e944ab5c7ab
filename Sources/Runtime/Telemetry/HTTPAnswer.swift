/// What somebody asks over HTTP.
public struct HTTPQuestion: Hashable, Sendable {
    /// Without what stands behind `?`.
    public var path: String

    public init(path: String) { self.path = path }
}

/// What is answered. Small, and made at once: whoever asks waits on the thread that makes it.
public struct HTTPAnswer: Hashable, Sendable {
    public var status: Int
    public var contentType: String
    /// Beside `Content-Type` and `Content-Length`.
    public var headers: [Header]
    public var body: String

    public struct Header: Hashable, Sendable {
        public var name: String
        public var value: String

        public init(_ name: String, _ value: String) { (self.name, self.value) = (name, value) }
    }

    public init(_ status: Int, _ body: String, contentType: String = "text/plain; charset=utf-8", headers: [Header] = []) {
        (self.status, self.body, self.contentType, self.headers) = (status, body, contentType, headers)
    }

    public static let notFound = HTTPAnswer(404, "there is no such page\n")
}
