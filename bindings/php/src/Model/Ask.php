<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * The person must answer a question before the account can be connected: call `Host::completeConnect()` with `state`
 * and the answers, by the names of the fields.
 */
final readonly class Ask implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Pass this back as `state`. */
        public string $state,
        /** What it is about, in a sentence. */
        public string $text,
        /** @var list<Field> What to fill in. */
        #[ListOf(Field::class)]
        public array $fields,
        /** Seconds since 1970. */
        public int $expiresAt,
    ) {
    }
}
