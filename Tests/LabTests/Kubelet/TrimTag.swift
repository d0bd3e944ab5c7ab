import Testing

extension Tag { @Tag static var kernel: Self }
