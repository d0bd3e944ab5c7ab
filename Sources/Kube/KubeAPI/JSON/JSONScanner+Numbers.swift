extension JSONScanner {
    mutating func number(_ bytes: Span<UInt8>) throws(JSONFault) -> JSONNumber {
        let start = position
        let isNegative = take(UInt8(ascii: "-"), bytes)
        guard let first = peek(bytes), isDigit(first) else { throw unexpected(bytes, "a digit") }
        var magnitude: UInt64? = 0
        if first == UInt8(ascii: "0") {
            position += 1
            guard !(peek(bytes).map(isDigit) ?? false) else { throw unexpected(bytes, "no digit after a leading zero") }
        } else {
            magnitude = integer(bytes)
        }
        let isWhole = try !fraction(bytes)
        guard isWhole else { return try double(bytes, from: start) }
        guard let magnitude, !isNegative || magnitude <= UInt64(Int64.max) + 1 else {
            throw JSONFault(code: .number, offset: start, message: "expected an integer of at most 64 bits")
        }
        return isNegative ? JSONNumber(Int64(truncatingIfNeeded: 0 &- magnitude)) : JSONNumber(magnitude)
    }

    /// Reads digits; `nil` beyond 64 bits.
    private mutating func integer(_ bytes: Span<UInt8>) -> UInt64? {
        var value: UInt64? = 0
        while let byte = peek(bytes), isDigit(byte) {
            position += 1
            guard let before = value else { continue }
            let (product, over) = before.multipliedReportingOverflow(by: 10)
            let (sum, carried) = product.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
            value = over || carried ? nil : sum
        }
        return value
    }

    /// Reads what makes a number a double, and says whether there was any.
    private mutating func fraction(_ bytes: Span<UInt8>) throws(JSONFault) -> Bool {
        var found = false
        if take(UInt8(ascii: "."), bytes) {
            found = true
            try digits(bytes, "a digit after '.'")
        }
        if peek(bytes) == UInt8(ascii: "e") || peek(bytes) == UInt8(ascii: "E") {
            found = true
            position += 1
            if !take(UInt8(ascii: "+"), bytes) { _ = take(UInt8(ascii: "-"), bytes) }
            try digits(bytes, "a digit in the exponent")
        }
        return found
    }

    private mutating func digits(_ bytes: Span<UInt8>, _ expectation: String) throws(JSONFault) {
        guard let byte = peek(bytes), isDigit(byte) else { throw unexpected(bytes, expectation) }
        while let byte = peek(bytes), isDigit(byte) { position += 1 }
    }

    private func double(_ bytes: Span<UInt8>, from start: Int) throws(JSONFault) -> JSONNumber {
        let text = try decoded(bytes.extracting(start..<position), at: start)
        guard let number = Double(text).flatMap(JSONNumber.init) else {
            throw JSONFault(code: .number, offset: start, message: "expected a number that a double can hold")
        }
        return number
    }
}

private func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }
