<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * One result of a check.
 */
final readonly class Finding implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Only `Error` prevents a post. */
        public Severity $severity,
        /** What was checked: a setting, a post field or a topic. */
        public string $subject,
        /** One plain sentence. */
        public string $message,
        /** What to do. */
        public ?string $remedy,
        /** The platform's own code. */
        public ?string $code,
        /** @var array<string, mixed> What else the provider tells, by names that networks share. */
        public array $details = [],
    ) {
    }
}
