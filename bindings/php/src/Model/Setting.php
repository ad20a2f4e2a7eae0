<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * A value the operator or the person types in; forms are drawn from these.
 */
final readonly class Setting implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Kebab-case, for example `client-key`. */
        public string $name,
        /** What the form calls it. */
        public string $label,
        /** A sentence below it. */
        public ?string $help,
        /** `text`, `secret`, `url`, `choice`, `flag` (`true` or `false`), `list` (one value a line). */
        public string $kind,
        /** @var list<string> Values of a `choice`, or suggestions for a `list`. */
        public array $choices,
        /** Nothing works without it. */
        public bool $required,
        /** Taken where nothing is set. */
        public ?string $defaultValue,
    ) {
    }
}
