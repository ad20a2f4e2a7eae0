<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * Why a call failed, for a program (`kind`, `code`) and for a person (`message`, `remedy`).
 *
 * Never holds a credential.
 */
final readonly class Error implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** What the caller should do next. */
        public ErrorKind $kind,
        /** One plain sentence. */
        public string $message,
        /** What the person or the operator can do about it. */
        public ?string $remedy = null,
        /** The platform's own code, unchanged. */
        public ?string $code = null,
        /** The setting, post field, option or permission that caused the failure. */
        public ?string $field = null,
        /** Milliseconds to wait before the next try. */
        public ?int $retryAfterMs = null,
        /** The platform's own reference for its support. */
        public ?string $traceId = null,
        /** The provider that was called. */
        public ?string $provider = null,
        /** The call that failed, by its name in the contract. */
        public ?string $operation = null,
        /** For calls with effects: what is known about the effect. */
        public ?Outcome $outcome = null,
    ) {
    }
}
