import Testing

/// What every end keeps, the kernel's and the one in memory. One clause per line of the contract; see `Clauses+….swift`.
@Suite("the contract of an end")
struct ContractTests {
    @Test("is kept in memory", arguments: Clause.all)
    func memory(_ clause: Clause) throws {
        try clause.body(.inMemory())
    }

    @Test("is kept by the kernel", .tags(.kernel), .enabled(if: hasKernel, "needs root"), arguments: Clause.all)
    func kernel(_ clause: Clause) throws {
        try clause.body(.inKernel())
    }
}

struct Clause: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let body: @Sendable (Stage) throws -> Void

    init(_ sentence: String, _ body: @escaping @Sendable (Stage) throws -> Void) {
        testDescription = sentence
        self.body = body
    }

    static let all = links + addresses + routes + rules + neighbours + qdiscs + settling
}
