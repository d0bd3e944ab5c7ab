public import DNS

/// Names that are in none of our zones, as the server asks for them: from a memory, from resolvers, from whoever knows.
public protocol OutsideNames: Sendable {
    /// The answer when it is known already, written whole for this very query: its id, its question's case, its EDNS part, no
    /// more bytes than its transport carries. It never waits, and is called on the threads that serve.
    ///
    /// - Parameter memory: as ``Answering`` takes it; it does not overlap the packet.
    /// - Returns: the bytes that were written; `nil` when somebody has to be asked.
    func known(
        _ query: Query, _ packet: Span<UInt8>, _ circumstances: Circumstances, into memory: UnsafeMutableRawBufferPointer
    ) -> Int?

    /// Finds out what there is.
    ///
    /// - Parameter answered: called once, on any thread, also when nobody could be asked, and soon enough for a client that
    ///   waits.
    func resolve(_ wish: OutsideWish, _ answered: @escaping @Sendable (OutsideAnswer) -> Void)
}

/// What is to be found out.
public struct OutsideWish: Hashable, Sendable {
    public var question: Question
    /// DO: signatures are wanted with it.
    public var isDNSSECWanted: Bool
    /// CD: data that a validating resolver would refuse is wanted too.
    public var isCheckingDisabled: Bool

    public init(_ question: Question, isDNSSECWanted: Bool = false, isCheckingDisabled: Bool = false) {
        (self.question, self.isDNSSECWanted, self.isCheckingDisabled) = (question, isDNSSECWanted, isCheckingDisabled)
    }
}

/// What was found out, the same for all who asked.
public struct OutsideAnswer: Sendable {
    public var code: ResponseCode
    /// In the order in which they are to be told: aliases first, then what they lead to. Times to live as they are now.
    public var answers: [Record]
    /// With "no such name" and "nothing of this type" the SOA record (RFC 2308).
    public var authorities: [Record]
    /// AD: a resolver that we trust has validated it.
    public var isAuthentic: Bool
    public var error: ExtendedError?
    /// A name of our own zones that the last alias leads to: whoever has them completes the answer, as nobody outside has the word
    /// on it.
    public var rest: DomainName?

    public init(
        _ code: ResponseCode, answers: [Record] = [], authorities: [Record] = [], isAuthentic: Bool = false,
        error: ExtendedError? = nil, rest: DomainName? = nil
    ) {
        (self.code, self.answers, self.authorities) = (code, answers, authorities)
        (self.isAuthentic, self.error, self.rest) = (isAuthentic, error, rest)
    }
}
