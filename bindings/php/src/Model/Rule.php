<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * Applies while all conditions hold, and always if there are none.
 */
final readonly class Rule implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** @var list<Condition> All must hold. */
        #[ListOf(Condition::class)]
        public array $conditions,
        /** What the rule does. */
        public Consequence $consequence,
    ) {
    }

    /**
     * Whether all conditions hold.
     *
     * @param array<string, string> $values by field name; a flag is `true` or `false`
     */
    public function applies(array $values): bool
    {
        foreach ($this->conditions as $condition) {
            if (!in_array($values[$condition->field] ?? '', $condition->values, true)) {
                return false;
            }
        }
        return true;
    }
}
